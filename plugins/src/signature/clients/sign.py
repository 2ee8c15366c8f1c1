"""Signs requests for Paifang's `signature` step."""
import hashlib, hmac, secrets, time
from urllib.parse import urlsplit


def sign(method, url, key_id, secret, body=b"", headers={}, timestamp=None, nonce=None):
    """The value of the Authorization header; `headers` are those to be signed."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    query = "&".join(sorted(parts.query.split("&")))
    timestamp, nonce = str(timestamp or int(time.time())), nonce or secrets.token_urlsafe(18)
    signed = sorted((name.lower(), value.strip(" \t")) for name, value in headers.items())
    lines = ["PF1-HMAC-SHA256", method, host, parts.path or "/", query, key_id, timestamp, nonce]
    lines += [hashlib.sha256(body).hexdigest()] + [f"{name}:{value}" for name, value in signed]
    text = "".join(line + "\n" for line in lines)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    names = f"SignedHeaders={';'.join(name for name, _ in signed)}, " if signed else ""
    return (f"PF1-HMAC-SHA256 KeyId={key_id}, Timestamp={timestamp}, Nonce={nonce}, "
            f"{names}Signature={signature}")
