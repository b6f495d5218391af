/// HKDF with the labels of HPKE (RFC 9180 §4).
struct LabelledKDF {
  let kdf: KDF
  let suiteID: [UInt8]

  init(hash: HashAlgorithm, suiteID: [UInt8]) {
    kdf = KDF(hash)
    self.suiteID = suiteID
  }

  func extract(salt: Secret, label: String, ikm: Secret) -> Secret {
    // The pointers are valid in their closures and not kept.
    unsafe ikm.withRawBytes { ikm in unsafe extract(salt: salt, label: label, ikm: ikm) }
  }

  func extract(salt: Secret, label: String, ikm: [UInt8]) -> Secret {
    // As above.
    unsafe ikm.withUnsafeBytes { ikm in unsafe extract(salt: salt, label: label, ikm: ikm) }
  }

  private func extract(salt: Secret, label: String, ikm: UnsafeRawBufferPointer) -> Secret {
    // As above.
    unsafe withScratch(labelByteCount(label)) { scratch in
      var prefix = unsafe LabelWriter(scratch)
      unsafe write(label, to: &prefix)
      return unsafe kdf.extract(salt: salt, ikm: HashAlgorithm.Message(prefix.bytes, ikm))
    }
  }

  func expand(_ prk: Secret, label: String, info: [UInt8], count: Int) -> Secret {
    precondition(count <= UInt16.max, "the label holds the length in 16 bits")
    // As above.
    return unsafe withScratch(2 + labelByteCount(label)) { scratch in
      var prefix = unsafe LabelWriter(scratch)
      unsafe prefix.write(UInt16(truncatingIfNeeded: count))
      unsafe write(label, to: &prefix)
      return unsafe info.withUnsafeBytes { unsafe kdf.expand(prk, info: prefix.bytes, $0, count: count) }
    }
  }

  private static let version = "HPKE-v1"

  private func labelByteCount(_ label: String) -> Int {
    Self.version.utf8.count + suiteID.count + label.utf8.count
  }

  private func write(_ label: String, to writer: inout LabelWriter) {
    // The writer checks that there is room.
    unsafe writer.write(Self.version)
    unsafe writer.write(suiteID)
    unsafe writer.write(label)
  }
}

/// What the key schedule takes from `info` and a PSK, which is the same for all receivers.
public struct HPKEInfo: Sendable {
  let suite: HPKESuite
  let labelled: LabelledKDF
  /// `key_schedule_context` (RFC 9180 §5.1).
  let context: [UInt8]
  let psk: Secret

  /// - Parameter psk: empty in base mode, together with `pskID`.
  init(suite: HPKESuite, info: [UInt8], psk: Secret, pskID: [UInt8]) {
    self.suite = suite
    self.psk = psk
    labelled = LabelledKDF(hash: suite.hash, suiteID: suite.identifier)
    let mode: UInt8 = psk.byteCount == 0 ? 0 : 1
    let empty = Secret([])
    context =
      [mode]
      + labelled.extract(salt: empty, label: "psk_id_hash", ikm: pskID).exposedBytes
      + labelled.extract(salt: empty, label: "info_hash", ikm: info).exposedBytes
  }
}

/// The HPKE key schedule (RFC 9180 §5.1) in base and PSK mode.
struct HPKEKeySchedule {
  private let info: HPKEInfo
  private let secret: Secret

  init(sharedSecret: Secret, info: HPKEInfo) {
    self.info = info
    secret = info.labelled.extract(salt: sharedSecret, label: "secret", ikm: info.psk)
  }

  var key: Secret {
    info.labelled.expand(secret, label: "key", info: info.context, count: info.suite.aead.keyByteCount)
  }

  /// The nonce of the only message.
  var baseNonce: Secret {
    info.labelled.expand(secret, label: "base_nonce", info: info.context, count: info.suite.aead.nonceByteCount)
  }

  var exporterSecret: Secret {
    info.labelled.expand(secret, label: "exp", info: info.context, count: info.suite.hash.byteCount)
  }

  /// Context.Export (RFC 9180 §5.3).
  func export(_ context: [UInt8], count: Int) -> Secret {
    info.labelled.expand(exporterSecret, label: "sec", info: context, count: count)
  }
}

extension HPKESuite {
  /// suite_id: "HPKE" and the three registry numbers (RFC 9180 §7).
  fileprivate var identifier: [UInt8] {
    let kdf: UInt8 =
      switch hash {
      case .sha256: 1
      case .sha384: 2
      case .sha512: 3
      }
    let cipher: UInt8 =
      switch aead {
      case .aes128GCM: 1
      case .aes256GCM: 2
      case .chaCha20Poly1305: 3
      }
    return Array("HPKE".utf8) + [UInt8(kem.identifier >> 8), UInt8(kem.identifier & 0xff), 0, kdf, 0, cipher]
  }
}
