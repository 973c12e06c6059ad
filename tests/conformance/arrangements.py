"""What a case expects to be there before it begins, as exchanges that the runner plays first."""

from __future__ import annotations

from collections.abc import Mapping

_VERSION = """<ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>
<ProtocolVersionMinor type="Integer" value="2"/></ProtocolVersion>"""

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

ARRANGEMENTS: Mapping[str, str] = {
    # "default" is a group that the server keeps fresh keys in.
    "TC-151-12": _FRESH_KEY,
}
