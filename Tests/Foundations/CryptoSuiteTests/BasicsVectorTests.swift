import CryptoSuite
import TestSupport
import Testing

struct BasicsCase: Decodable {
  struct RefHash: Decodable {
    let label: String
    let out, value: HexBytes
  }
  struct ExpandWithLabel: Decodable {
    let context, out, secret: HexBytes
    let label: String
    let length: Int
  }
  struct DeriveSecret: Decodable {
    let label: String
    let out, secret: HexBytes
  }
  struct DeriveTreeSecret: Decodable {
    let generation: UInt32
    let label: String
    let length: Int
    let out, secret: HexBytes
  }
  struct SignWithLabel: Decodable {
    let content, priv, pub, signature: HexBytes
    let label: String
  }
  struct EncryptWithLabel: Decodable {
    let ciphertext, context, kem_output, plaintext, priv, pub: HexBytes
    let label: String
  }

  let cipher_suite: UInt16
  let ref_hash: RefHash
  let expand_with_label: ExpandWithLabel
  let derive_secret: DeriveSecret
  let derive_tree_secret: DeriveTreeSecret
  let sign_with_label: SignWithLabel
  let encrypt_with_label: EncryptWithLabel
}

@Test(arguments: ["mls/crypto-basics.json", "mls-xwing/crypto-basics-suite0008-xwing-sha384.json"])
func `the labelled functions agree with the published vectors`(file: String) throws {
  guard let cases = try Vectors.load(file, as: [BasicsCase].self) else { return }
  var counter = CaseCounter(file)
  for item in cases {
    guard let suite = item.cipher_suite == 8 ? .xWing(number: 8) : CipherSuite(rawValue: item.cipher_suite) else {
      #expect([4, 6].contains(item.cipher_suite), "suite \(item.cipher_suite) does not run")
      counter.passOver("suite \(item.cipher_suite): X448 is not available")
      continue
    }
    #expect(suite.refHash(label: item.ref_hash.label, item.ref_hash.value.bytes) == item.ref_hash.out.bytes)

    let expand = item.expand_with_label
    #expect(
      suite.expandWithLabel(
        Secret(expand.secret.bytes), label: expand.label, context: expand.context.bytes, count: expand.length)
        == Secret(expand.out.bytes))

    let derive = item.derive_secret
    #expect(suite.deriveSecret(Secret(derive.secret.bytes), label: derive.label) == Secret(derive.out.bytes))

    let tree = item.derive_tree_secret
    #expect(
      suite.deriveTreeSecret(
        Secret(tree.secret.bytes), label: tree.label, generation: tree.generation, count: tree.length)
        == Secret(tree.out.bytes))

    let sign = item.sign_with_label
    #expect(
      suite.verifyWithLabel(
        publicKey: sign.pub.bytes, label: sign.label, content: sign.content.bytes, signature: sign.signature.bytes))
    let key = try SigningKey(suite.signature, privateKey: Secret(sign.priv.bytes))
    #expect(key.publicKey == sign.pub.bytes)
    let signature = try suite.signWithLabel(key, label: sign.label, content: sign.content.bytes)
    #expect(
      suite.verifyWithLabel(
        publicKey: sign.pub.bytes, label: sign.label, content: sign.content.bytes, signature: signature))

    let encrypt = item.encrypt_with_label
    let pair = HPKEKeyPair(privateKey: Secret(encrypt.priv.bytes), publicKey: encrypt.pub.bytes)
    #expect(try suite.hpke.publicKey(for: pair.privateKey) == pair.publicKey)
    let published = HPKECiphertext(kemOutput: encrypt.kem_output.bytes, ciphertext: encrypt.ciphertext.bytes)
    #expect(
      try suite.decryptWithLabel(
        keyPair: pair, label: encrypt.label, context: encrypt.context.bytes, ciphertext: published)
        == encrypt.plaintext.bytes)
    let ours = try suite.encryptWithLabel(
      publicKey: pair.publicKey, label: encrypt.label, context: encrypt.context.bytes,
      plaintext: encrypt.plaintext.bytes)
    #expect(
      try suite.decryptWithLabel(keyPair: pair, label: encrypt.label, context: encrypt.context.bytes, ciphertext: ours)
        == encrypt.plaintext.bytes)
    counter.run()
  }
  counter.report()
}

@Test func `the suites over X448 are unknown`() {
  #expect(CipherSuite(rawValue: 4) == nil)
  #expect(CipherSuite(rawValue: 6) == nil)
  #expect(CipherSuite(rawValue: 0xF0A1) == .sottoXWing)
}
