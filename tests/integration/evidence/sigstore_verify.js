// node sigstore_verify.js MODULES BUNDLE PUBLIC_KEY: exit 0 if @sigstore/verify accepts the bundle with the key.
const [modules, bundlePath, keyPath] = process.argv.slice(2);
const fs = require("fs");
const crypto = require("crypto");
const { bundleFromJSON } = require(`${modules}/@sigstore/bundle`);
const { Verifier, toSignedEntity } = require(`${modules}/@sigstore/verify`);

const publicKey = crypto.createPublicKey(fs.readFileSync(keyPath));
const der = publicKey.export({ type: "spki", format: "der" });
const own = crypto.createHash("sha256").update(der).digest("base64");
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
