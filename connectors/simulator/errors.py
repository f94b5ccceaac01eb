"""What goes wrong, in Exchange's own words: a response code, its usual text, and where it is reported."""

from __future__ import annotations

from connectors.simulator.schema import Element

TEXTS = {
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorAttachmentSizeLimitExceeded": "The attachment size limit was exceeded.",
    "ErrorCalendarCannotMoveOrCopyOccurrence": "Cannot move or copy an occurrence.",
    "ErrorCannotCreateCalendarItemInNonCalendarFolder": (
        "Calendar items can only be created in a folder of that type."
    ),
    "ErrorCannotCreateContactInNonContactFolder": "Contacts can only be created in a folder of that type.",
    "ErrorCannotCreateTaskInNonTaskFolder": "Tasks can only be created in a folder of that type.",
    "ErrorCannotDeleteObject": "Object cannot be deleted.",
    "ErrorCannotEmptyFolder": "The folder cannot be emptied.",
    "ErrorCannotUseFolderIdForItemId": "The Id is a folder id and cannot be used as an item id.",
    "ErrorCannotUseItemIdForFolderId": "The Id is an item id and cannot be used as a folder id.",
    "ErrorChangeKeyRequired": "The change key is required for this operation.",
    "ErrorChangeKeyRequiredForWriteOperations": ("An up-to-date change key is required for this operation."),
    "ErrorContentConversionFailed": "Content conversion failed.",
    "ErrorDelegateNoUser": "The specified delegate user was not found.",
    "ErrorDeleteDistinguishedFolder": "Distinguished folders cannot be deleted.",
    "ErrorFolderCorrupt": "The folder is corrupt.",
    "ErrorFolderExists": "A folder with the specified name already exists.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorFolderSave": "Folder save failed.",
    "ErrorFolderSavePropertyError": "Folder save failed due to errors setting properties.",
    "ErrorImpersonateUserDenied": ("The account does not have permission to impersonate the requested user."),
    "ErrorImpersonationFailed": "The requested user could not be impersonated.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
    "ErrorInvalidAttachmentId": "The specified attachment Id is invalid.",
    "ErrorInvalidChangeKey": "The change key is invalid.",
    "ErrorInvalidCompleteDate": "The date on which a task was completed cannot be in the future.",
    "ErrorInvalidFolderId": "The folder Id is invalid.",
    "ErrorInvalidFolderTypeForOperation": "The folder type is not valid for this operation.",
    "ErrorInvalidFractionalPagingParameters": "The fractional paging parameters are invalid.",
    "ErrorInvalidId": "The Id is invalid.",
    "ErrorInvalidIdEmpty": "The Id is empty.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidIdXml": "Id must be non-empty.",
    "ErrorInvalidIndexedPagingParameters": "The indexed paging parameters are invalid.",
    "ErrorInvalidItemForOperationSendItem": "The item cannot be sent.",
    "ErrorInvalidItemForOperationCreateItemAttachment": "The item cannot be attached.",
    "ErrorInvalidMailbox": "The mailbox is invalid.",
    "ErrorInvalidOperation": "The requested operation is invalid.",
    "ErrorInvalidPropertyDelete": "The property cannot be deleted.",
    "ErrorInvalidPropertyRequest": "Property is not valid for this object type.",
    "ErrorInvalidPropertySet": "Set action is invalid for property.",
    "ErrorInvalidRecipients": "At least one recipient isn't valid.",
    "ErrorInvalidRequest": "The request is invalid.",
    "ErrorInvalidServerVersion": "The specified server version is invalid.",
    "ErrorInvalidSubscription": "The subscription is not valid for this operation.",
    "ErrorInvalidSyncStateData": "Synchronization state data is corrupt or otherwise invalid.",
    "ErrorInvalidWatermark": "The watermark is invalid.",
    "ErrorInvalidUserSid": "The SID of the user is invalid.",
    "ErrorIrresolvableConflict": (
        "The send or update operation could not be performed because the change key passed in the "
        "request does not match the current change key for the item."
    ),
    "ErrorItemCorrupt": "Item data is corrupt.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorItemSave": "An item cannot be saved to the folder.",
    "ErrorMailRecipientNotFound": "Mail recipient not found.",
    "ErrorMessageDispositionRequired": "The MessageDisposition attribute is required.",
    "ErrorMimeContentInvalid": "The MIME content is invalid.",
    "ErrorMissingRecipients": "At least one recipient must be specified.",
    "ErrorMissingArgument": "A required argument is missing.",
    "ErrorMoveCopyFailed": "Move or copy failed.",
    "ErrorMoveDistinguishedFolder": "Distinguished folders cannot be moved.",
    "ErrorNameResolutionMultipleResults": "Multiple results were found.",
    "ErrorNameResolutionNoResults": "No results were found.",
    "ErrorNoPublicFolderReplicaAvailable": "There are no public folder servers available.",
    "ErrorNonExistentMailbox": "No mailbox with such guid or address.",
    "ErrorNotDelegate": "The user is not a delegate of this mailbox.",
    "ErrorObjectTypeChanged": "The object type changed.",
    "ErrorOccurrenceCrossingBoundary": "Modified occurrence is crossing or overlapping adjacent occurrence.",
    "ErrorPropertyUpdate": "The property update failed.",
    "ErrorReadReceiptNotPending": "The read receipt is not pending.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    "ErrorSendAsDenied": (
        "The user account which was used to submit this request does not have the right to send mail on "
        "behalf of the specified sending account."
    ),
    "ErrorSentMeetingRequestUpdate": "The meeting request cannot be updated.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorStaleObject": "The object is stale.",
    "ErrorSubscriptionNotFound": "The subscription was not found.",
    "ErrorSyncFolderNotFound": "The folder to synchronize could not be found in the store.",
    "ErrorUnsupportedPathForQuery": "The property is not supported in a query.",
    "ErrorUnsupportedPathForSortGroup": "The property can not be used with sort or group.",
    "ErrorUnsupportedTypeForConversion": "The attachment type is not supported.",
    "ErrorUpdatePropertyMismatch": "The property mismatches the value.",
}


class EwsError(Exception):
    """One item, folder or subscription cannot be served: a response message with this code.

    `values` become MessageXml `Value` elements; `raised` asks for a SOAP fault instead of a message.
    """

    def __init__(self, code: str, text: str | None = None, **values: str) -> None:
        super().__init__(text or TEXTS.get(code, code))
        self.code = code
        self.text = str(self)
        self.values = values


class SoapFault(EwsError):
    """The whole request is refused: HTTP 500 with a SOAP fault."""


class SchemaViolation(SoapFault):
    """The request does not follow Microsoft's schema; `violation` says where, in the words of .NET."""

    def __init__(self, violation: str) -> None:
        super().__init__("ErrorSchemaValidation", f"The request failed schema validation: {violation}")
        self.violation = violation


def required(element: Element | None, parent: Element, name: str) -> Element:
    """The element, or the schema violation that Exchange reports when it is missing."""
    if element is not None:
        return element
    tag = parent.tag.rpartition("}")[2]
    raise SchemaViolation(f"The element '{tag}' has incomplete content. List of possible elements expected: '{name}'.")
