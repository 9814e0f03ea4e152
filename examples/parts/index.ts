import { TlsIdentity } from "../../components";

const identity = new TlsIdentity("mail", {
  domains: ["mail.example.com", "10.0.0.25"],
  commonName: "Example Mail CA",
  certificate: { keyAlgorithm: "RSA-2048", validityDays: 90, renewalDays: 14 },
});

export const { certificatePem, privateKeyPem, trustedCaPem, caFingerprint } = identity;
