// Signs requests for Paifang's `signature` step.
import { createHash, createHmac, randomBytes } from "node:crypto";

/** The value of the Authorization header; `headers` are those to be signed. */
export function sign(method, url, keyId, secret, { body = "", headers = {}, timestamp, nonce } = {}) {
  const { hostname, pathname, search } = new URL(url);
  const query = search.slice(1).split("&").sort().join("&");
  timestamp ??= Math.floor(Date.now() / 1000);
  nonce ??= randomBytes(18).toString("base64url");
  const signed = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value.replace(/^[ \t]+|[ \t]+$/g, "")])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = ["PF1-HMAC-SHA256", method, hostname, pathname, query, keyId, timestamp, nonce];
  lines.push(createHash("sha256").update(body).digest("hex"), ...signed.map((pair) => pair.join(":")));
  const text = lines.map((line) => line + "\n").join("");
  const signature = createHmac("sha256", secret).update(text).digest("hex");
  const names = signed.length ? `SignedHeaders=${signed.map(([name]) => name).join(";")}, ` : "";
  return `PF1-HMAC-SHA256 KeyId=${keyId}, Timestamp=${timestamp}, Nonce=${nonce}, ${names}Signature=${signature}`;
}
