import CryptoSuite
import SottoProtocol

/// What a message of one kibibyte costs outside MLS: the frame of its conversation, and the envelope of a mailbox.
enum FrameBenchmarks {
  static func run(_ report: inout Report) throws {
    let message = [UInt8](repeating: 7, count: 1_024)
    let random = SystemRandom()
    let wrapKey = WrapKey(Secret([UInt8](repeating: 1, count: 32)))
    let frame = try wrapKey.seal(message, random: random)
    let aead = AEADAlgorithm.aes256GCM
    let key = Secret([UInt8](repeating: 2, count: 32))
    let nonce = [UInt8](repeating: 3, count: 12)
    let padded = [UInt8](repeating: 0, count: frame.ciphertext.count - aead.tagByteCount)
    let ciphertext = try aead.seal(padded, key: key, nonce: nonce, aad: [])
    let hmac = best { keep(HashAlgorithm.sha256.hmac(key: key, nonce)) }
    let seal = try best { keep(try aead.seal(padded, key: key, nonce: nonce, aad: [])) } + hmac
    let open = try best { keep(try aead.open(ciphertext, key: key, nonce: nonce, aad: [])) } + hmac
    let wrapTime = try best { keep(try wrapKey.seal(message, random: random).bytes) }
    report.add("frame", "wrap 1 KiB", size: 1, wrapTime / 1e3, "us", floor: seal / 1e3, of: "1 AEAD of 2 KiB, 1 HMAC")
    let bytes = frame.bytes
    let unwrapTime = try best { keep(try wrapKey.open(Frame(bytes))) }
    report.add("frame", "unwrap 1 KiB", size: 1, unwrapTime / 1e3, "us", floor: open / 1e3, of: "1 AEAD of 2 KiB, 1 HMAC")

    let suite = FirstContact.suite
    let pair = suite.generateKeyPair()
    guard let sealKey = PublicKey32(pair.publicKey) else { return }
    let mailbox = MailboxID.random(using: random)
    let envelope = Envelope(source: .send, frame: bytes)
    let sealed = try envelope.sealed(to: sealKey, mailbox: mailbox)
    let hpke = try suite.seal(bytes, to: pair.publicKey, info: [1], aad: mailbox.bytes)
    let hpkeSeal = try best { keep(try suite.seal(bytes, to: pair.publicKey, info: [1], aad: mailbox.bytes)) }
    let hpkeOpen = try best { keep(try suite.open(hpke, with: pair, info: [1], aad: mailbox.bytes)) }
    let sealTime = try best { keep(try envelope.sealed(to: sealKey, mailbox: mailbox)) }
    report.add("envelope", "seal a frame of 2 KiB", size: 1, sealTime / 1e3, "us", floor: hpkeSeal / 1e3, of: "1 HPKE seal")
    let openTime = try best { keep(try Envelope(opening: sealed, with: pair, mailbox: mailbox)) }
    report.add("envelope", "open a frame of 2 KiB", size: 1, openTime / 1e3, "us", floor: hpkeOpen / 1e3, of: "1 HPKE open")
  }
}
