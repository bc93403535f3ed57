// node sigstore_verify.js MODULES BUNDLE PUBLIC_KEY: exit 0 if @sigstore/verify accepts the bundle with the key.
const [modules, bundlePath, keyPath] = process.argv.slice(2);
const fs = require("fs");
const crypto = require("crypto");
const { bundleFromJSON } = require(`${modules}/@sigstore/bundle`);
const { Verifier, toSignedEntity } = require(`${modules}/@sigstore/verify`);

const publicKey = crypto.createPublicKey(fs.readFileSync(keyPath));
const der = publicKey.export({ type: "spki", format: "der" });
const part = (bytes) => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, Buffer.from(bytes)]);
};
const parts =
  publicKey.asymmetricKeyType === "ed25519"
    ? ["ssh-ed25519", der.subarray(-32)]
    : ["ecdsa-sha2-nistp256", "nistp256", der.subarray(-65)];
const blob = Buffer.concat(parts.map((each) => part(each)));
const own = `SHA256:${crypto.createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
const trust = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  tlogs: [],
  ctlogs: [],
  publicKey: (hint) => {
    if (hint !== own) throw new Error(`unknown key ${hint}`);
    return { publicKey, validFor: () => true };
  },
};
const verifier = new Verifier(trust, { tlogThreshold: 0, timestampThreshold: 0, ctlogThreshold: 0 });
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(bundlePath)));
verifier.verify(toSignedEntity(bundle));
