import CryptoSuite
import FoundationEssentials
import SwiftASN1
import X509

/// Makes certificates that are their own issuer, with a P-256 key each.
enum SelfMadeCertificate {
  struct Made {
    /// The private key and the certificate, in this order.
    let pem: String
  }

  /// Time until a certificate ends, and its key with it: the server makes the next one in time, and its identity vouches
  /// for that. Clients do not look at the date.
  static let validityDays = 397

  static func make() throws(TLSMaterialError) -> Made {
    do {
      let signingKey = SignatureAlgorithm.p256.generateKey()
      let keyBytes = privateKeyInfo(of: signingKey)
      let key = try Certificate.PrivateKey(derBytes: keyBytes)
      // The same for every server: the handshake already hides it, and it says nothing.
      let name = try DistinguishedName { CommonName("server") }
      let now = Date()
      let certificate = try Certificate(
        version: .v3,
        serialNumber: Certificate.SerialNumber(),
        publicKey: key.publicKey,
        // A day back, for clocks that differ.
        notValidBefore: now.addingTimeInterval(-86_400),
        notValidAfter: now.addingTimeInterval(Double(validityDays) * 86_400),
        issuer: name,
        subject: name,
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
          Critical(KeyUsage(digitalSignature: true))
          try ExtendedKeyUsage([.serverAuth])
        },
        issuerPrivateKey: key)
      let keyPEM = PEMDocument(type: "PRIVATE KEY", derBytes: keyBytes).pemString
      return Made(pem: keyPEM + "\n" + (try certificate.serializeAsPEM().pemString) + "\n")
    } catch {
      throw .unfit
    }
  }

  /// The PKCS #8 form (RFC 5958 §2) of a P-256 key, with the key itself as RFC 5915 §3 lays it out: every length is
  /// fixed, so the frame around the two keys is as well.
  private static func privateKeyInfo(of key: SigningKey) -> [UInt8] {
    let algorithm: [UInt8] = [
      0x30, 0x13,
      0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,  // id-ecPublicKey
      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,  // prime256v1
    ]
    var der: [UInt8] = [0x30, 0x81, 0x87, 0x02, 0x01, 0x00] + algorithm
    der += [0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20]
    der += key.privateBytes.exposedBytes
    der += [0xa1, 0x44, 0x03, 0x42, 0x00]
    der += key.publicKey
    return der
  }
}
