"""What a case expects to be there before it begins, as exchanges that the runner plays first."""

from __future__ import annotations

from collections.abc import Mapping

_VERSION = """<ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>
<ProtocolVersionMinor type="Integer" value="2"/></ProtocolVersion>"""

_VERSION_1_4 = _VERSION.replace('value="2"', 'value="4"')

_FRESH_KEY = f"""
<KMIP><RequestMessage><RequestHeader>{_VERSION}<BatchCount type="Integer" value="1"/></RequestHeader>
<BatchItem><Operation type="Enumeration" value="Create"/><RequestPayload>
<ObjectType type="Enumeration" value="SymmetricKey"/><TemplateAttribute>
<Attribute><AttributeName type="TextString" value="Cryptographic Algorithm"/>
<AttributeValue type="Enumeration" value="AES"/></Attribute>
<Attribute><AttributeName type="TextString" value="Cryptographic Length"/>
<AttributeValue type="Integer" value="256"/></Attribute>
<Attribute><AttributeName type="TextString" value="Cryptographic Usage Mask"/>
<AttributeValue type="Integer" value="Encrypt Decrypt"/></Attribute>
<Attribute><AttributeName type="TextString" value="Object Group"/>
<AttributeValue type="TextString" value="default"/></Attribute>
</TemplateAttribute></RequestPayload></BatchItem></RequestMessage>
<ResponseMessage><ResponseHeader>{_VERSION}<TimeStamp type="DateTime" value="$NOW"/>
<BatchCount type="Integer" value="1"/></ResponseHeader>
<BatchItem><Operation type="Enumeration" value="Create"/><ResultStatus type="Enumeration" value="Success"/>
<ResponsePayload><ObjectType type="Enumeration" value="SymmetricKey"/>
<UniqueIdentifier type="TextString" value="$UNIQUE_IDENTIFIER_0"/></ResponsePayload></BatchItem>
</ResponseMessage></KMIP>
"""

_PAD = f"""
<KMIP><RequestMessage><RequestHeader>{_VERSION_1_4}<BatchCount type="Integer" value="1"/></RequestHeader>
<BatchItem><Operation type="Enumeration" value="Register"/><RequestPayload>
<ObjectType type="Enumeration" value="SecretData"/><TemplateAttribute>
<Attribute><AttributeName type="TextString" value="Name"/>
<AttributeValue><NameValue type="TextString" value="one-time-pad-1"/>
<NameType type="Enumeration" value="UninterpretedTextString"/></AttributeValue></Attribute>
<Attribute><AttributeName type="TextString" value="Cryptographic Algorithm"/>
<AttributeValue type="Enumeration" value="OneTimePad"/></Attribute>
<Attribute><AttributeName type="TextString" value="Cryptographic Usage Mask"/>
<AttributeValue type="Integer" value="Encrypt Decrypt"/></Attribute>
</TemplateAttribute><SecretData><SecretDataType type="Enumeration" value="Password"/>
<KeyBlock><KeyFormatType type="Enumeration" value="Opaque"/></KeyBlock></SecretData>
</RequestPayload></BatchItem></RequestMessage>
<ResponseMessage><ResponseHeader>{_VERSION_1_4}<TimeStamp type="DateTime" value="$NOW"/>
<BatchCount type="Integer" value="1"/></ResponseHeader>
<BatchItem><Operation type="Enumeration" value="Register"/><ResultStatus type="Enumeration" value="Success"/>
<ResponsePayload><UniqueIdentifier type="TextString" value="$UNIQUE_IDENTIFIER_0"/></ResponsePayload></BatchItem>
</ResponseMessage></KMIP>
"""

ARRANGEMENTS: Mapping[str, str] = {
    # A pad that is kept elsewhere: TC-OTP-3 prints its Key Block without a Key Value.
    **{f"TC-OTP-{number}-14": _PAD for number in range(1, 6)},
    # "default" is a group that the server keeps fresh keys in.
    "TC-151-12": _FRESH_KEY,
}

REPEATED: Mapping[str, int] = {"TC-92-12": 3}
"""The step that a file says to repeat until the response is as printed."""

BEHIND: Mapping[str, int] = {"TC-92-12": 105}
"""Seconds that the clock of a case's client is slow, so that two minutes from its now are soon over."""
