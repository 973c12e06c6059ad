"""Bodies over HTTPS that are small and mean much: an answer of KMIP in the same encoding, and no memory lost."""

from __future__ import annotations

import http.client
import json

import pytest

from protocol.enums import ResultStatus
from protocol.message import decode_response
from protocol.ttlv import encode
from protocol.ttlv_json import from_json
from protocol.ttlv_xml import from_xml
from tests.hostile.conftest import FRAME_SIZE, TIMEOUT, Victim, Witness

XML, JSON = "text/xml", "application/json"
DIGITS = "9" * 60_000

XML_BODIES: dict[str, str] = {
    "entities within entities": '<!DOCTYPE a [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n + 1} "{"&a%d;" * 10 % ((n,) * 10)}">' for n in range(9))
    + "]><RequestMessage>&a9;</RequestMessage>",
    "a file": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><RequestMessage>&a;</RequestMessage>',
    "another document type": '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><RequestMessage/>',
    "depth of 4,000": "<RequestMessage>" * 4000,
    "closed depth of 2,000": "<Y>" * 2000 + "</Y>" * 2000,
    "16,000 small items": "<RequestMessage>" + "<Y/>" * 16_000 + "</RequestMessage>",
    "5,000 attributes of XML": "<RequestMessage " + " ".join(f'a{n}=""' for n in range(5000)) + "/>",
    "an attribute twice": '<Operation type="Enumeration" type="Integer" value="1"/>',
    "a number of 60,000 digits": f'<BatchCount type="Integer" value="{DIGITS}"/>',
    "a big integer of 30,000 bytes": f'<BatchCount type="BigInteger" value="{DIGITS}"/>',
    "a mask of 10,000 words": f'<CryptographicUsageMask type="Integer" value="{"Encrypt " * 7000}"/>',
    "a date in the year 9999999": '<TimeStamp type="DateTime" value="9999999-01-01T00:00:00Z"/>',
    "a zero byte": '<NameValue type="TextString" value="\0"/>',
    "another encoding in its declaration": '<?xml version="1.0" encoding="utf-16"?><RequestMessage/>',
    "an unknown encoding": '<?xml version="1.0" encoding="x-unknown"?><RequestMessage/>',
    "comments": "<!-- -->" * 8000,
}

JSON_BODIES: dict[str, str] = {
    "depth of 60,000 arrays": "[" * 60_000,
    "depth of 12,000 objects": '{"a":' * 12_000,
    "closed depth of 1,000": '{"tag":"Y","value":[' * 1000 + "]}" * 1000,
    "a number of 60,000 digits": f'{{"tag":"BatchCount","type":"Integer","value":{DIGITS}}}',
    "a big integer of 4,000 digits": f'{{"tag":"BatchCount","type":"BigInteger","value":{DIGITS[:4000]}}}',
    "a fraction": '{"tag":"BatchCount","type":"Integer","value":1e999}',
    "not a number": '{"tag":"BatchCount","type":"Integer","value":NaN}',
    "half of a surrogate pair": '{"tag":"NameValue","type":"TextString","value":"\\ud800"}',
    "half of a surrogate pair as a tag": '{"tag":"\\ud800","type":"TextString","value":""}',
    "a member twice": '{"tag":"NameValue","tag":"Operation","type":"TextString","value":"a"}',
    "4,000 members": json.dumps({f"a{n}": n for n in range(4000)}),
    "null": "null",
    "a text": '"RequestMessage"',
    "5,000 small items": '{"tag":"RequestMessage","value":[' + ",".join(['{"tag":"Y"}'] * 5000) + "]}",
}

BODIES = [
    *(pytest.param(XML, body, id=f"XML {name}") for name, body in XML_BODIES.items()),
    *(pytest.param(JSON, body, id=f"JSON {name}") for name, body in JSON_BODIES.items()),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_a_body_that_is_no_request(impatient: Victim, undisturbed: Witness, content_type: str, body: str) -> None:
    assert len(body) <= FRAME_SIZE
    connection = http.client.HTTPSConnection(
        impatient.daemon.host, impatient.https_port, context=impatient.context, timeout=TIMEOUT
    )
    for _ in range(2):
        connection.request("POST", "/kmip", body.encode(), {"Content-Type": content_type})
        response = connection.getresponse()
        answer = response.read().decode()
        assert (response.status, response.getheader("Content-Type")) == (200, content_type)
        item = from_xml(answer) if content_type == XML else from_json(answer)
        [refused] = decode_response(encode(item)).batch_items
        assert refused.result_status == ResultStatus.OPERATION_FAILED
        assert "root:" not in answer
    connection.close()
