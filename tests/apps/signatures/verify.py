"""Reads a request and a set of public keys as JSON, and tells what its signature covers, by another's implementation."""

import base64
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256


class Request:
    """What the library asks of a request."""

    def __init__(self, told):
        self.method = told["method"]
        self.url = told["url"]
        self.headers = dict(told["headers"])


class Keys(HTTPSignatureKeyResolver):
    """The keys that the gateway publishes."""

    def __init__(self, told):
        self.keys = {key["kid"]: key for key in told}

    def resolve_public_key(self, key_id):
        def number(text):
            return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")

        key = self.keys[key_id]
        return ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()


told = json.load(sys.stdin)
verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P256_SHA256, key_resolver=Keys(told["keys"]))
body = base64.b64decode(told["body"]) if "body" in told else None
try:
    (verified,) = verifier.verify(Request(told), expect_tag="cloakroom", body=body)
except Exception as fault:  # Whatever is wrong with it.
    json.dump({"fault": f"{type(fault).__name__}: {fault}"}, sys.stdout)
else:
    json.dump({"covers": verified.covered_components, "says": verified.parameters}, sys.stdout)
