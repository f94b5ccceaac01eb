"""TerraCRM: a CRM for offices that live in Outlook and Exchange."""
