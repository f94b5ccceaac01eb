"""Domains where anybody gets a mailbox: they say nothing about the company of the person who writes (M1).

The default of `[mirror] free_mail_domains`. Only providers of personal mailboxes belong here, not hosters that
carry the mail of companies under domains of their own.
"""

from __future__ import annotations

FREE_MAIL_DOMAINS: tuple[str, ...] = (
    # Russia and its neighbours
    *("yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "yandex.uz", "ya.ru", "narod.ru"),
    *("mail.ru", "bk.ru", "inbox.ru", "list.ru", "internet.ru", "xmail.ru", "vk.com", "mail.ua"),
    *("rambler.ru", "rambler.ua", "lenta.ru", "autorambler.ru", "myrambler.ru", "ro.ru"),
    *("pochta.ru", "hotbox.ru", "nm.ru", "km.ru", "e1.ru", "ngs.ru", "sibmail.com", "qip.ru", "front.ru"),
    *("tut.by", "mail.by", "mail.kz", "inbox.lv", "inbox.lt", "ukr.net", "i.ua", "bigmir.net", "meta.ua"),
    # the world
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "hotmail.fr"),
    *("hotmail.de", "hotmail.it", "hotmail.es", "live.com", "live.ru", "live.co.uk", "live.fr", "msn.com"),
    *("outlook.de", "outlook.fr", "outlook.es", "outlook.ru", "passport.com"),
    *("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.ca", "yahoo.co.in"),
    *("yahoo.co.jp", "yahoo.com.br", "ymail.com", "rocketmail.com", "aol.com", "aim.com", "netscape.net"),
    *("icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    *("gmx.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "freenet.de", "t-online.de", "arcor.de"),
    *("mail.com", "email.com", "usa.com", "fastmail.com", "fastmail.fm", "tutanota.com", "tutanota.de"),
    *("tuta.io", "tuta.com", "hey.com", "zohomail.com", "hushmail.com", "mailfence.com", "posteo.de"),
    *("orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "libero.it", "virgilio.it", "tin.it"),
    *("wp.pl", "o2.pl", "onet.pl", "op.pl", "interia.pl", "seznam.cz", "email.cz", "centrum.cz", "azet.sk"),
    *("abv.bg", "mail.bg", "freemail.hu", "citromail.hu", "walla.com", "walla.co.il", "terra.com.br"),
    *("uol.com.br", "bol.com.br", "rediffmail.com", "qq.com", "foxmail.com", "163.com", "126.com", "yeah.net"),
    *("sina.com", "sina.cn", "sohu.com", "naver.com", "hanmail.net", "daum.net"),
    *("comcast.net", "verizon.net", "att.net", "sbcglobal.net", "bellsouth.net", "cox.net", "charter.net"),
    *("earthlink.net", "juno.com", "btinternet.com", "ntlworld.com", "virginmedia.com", "sky.com"),
    *("bigpond.com", "optusnet.com.au", "shaw.ca", "rogers.com", "sympatico.ca"),
)
