import CryptoSuite
public import WireFormat

/// One signed link of a person's device log (docs/protocol.md §5).
public struct DeviceLogEntry: Hashable, Sendable, WireCodable {
  /// What the entry says.
  public enum Body: Hashable, Sendable {
    case genesis(nonce: [UInt8], recoveryKey: PublicKey32, deviceKey: PublicKey32)
    case addDevice(PublicKey32)
    case revokeDevice(PublicKey32)
    case rotateRecovery(PublicKey32)
  }

  static let version: UInt8 = 1
  static let nonceByteCount = 16
  private static let context = Array("sotto device log 1".utf8)
  private static let deviceContext = Array("sotto device 1".utf8)

  public let sequence: UInt64
  /// SHA-256 of the entry before; zeros for genesis.
  public let previous: KeyHash
  public let body: Body
  /// Proof that the new device holds its key; nil where no device is added.
  let deviceSignature: Signature64?
  public let signer: PublicKey32
  let signature: Signature64

  public init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == DeviceLogEntry.version else { throw .invalidValue(UInt64(version)) }
    let type = try reader.readUInt8()
    sequence = try reader.readUInt64()
    previous = try reader.read()
    switch type {
    case 1:
      body = .genesis(
        nonce: try reader.readBytes(DeviceLogEntry.nonceByteCount), recoveryKey: try reader.read(), deviceKey: try reader.read())
    case 2: body = .addDevice(try reader.read())
    case 3: body = .revokeDevice(try reader.read())
    case 4: body = .rotateRecovery(try reader.read())
    default: throw .invalidValue(UInt64(type))
    }
    let proof = try reader.readVector(limit: Signature64.byteCount)
    switch (type, proof.count) {
    case (1, 64), (2, 64): deviceSignature = Signature64(proof)
    case (3, 0), (4, 0): deviceSignature = nil
    default: throw .invalidValue(UInt64(proof.count))
    }
    signer = try reader.read()
    signature = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.writeBytes(signedContent)
    writer.write(signature)
  }

  /// SHA-256 of the encoded entry: what the next one names, and for genesis the identity.
  public var hash: KeyHash { KeyHash(trusted: HashAlgorithm.sha256.hash(encoded)) }

  /// Signs an entry.
  ///
  /// - Parameters:
  ///   - device: the new device's key, where the body adds one.
  ///   - signer: the recovery key, or a device that is active before this entry.
  init(sequence: UInt64, previous: KeyHash, body: Body, device: SigningKey?, signer: SigningKey) throws(CryptoError) {
    self.sequence = sequence
    self.previous = previous
    self.body = body
    guard let signerKey = PublicKey32(signer.publicKey) else { throw .invalidKey }
    self.signer = signerKey
    if let device {
      let content = DeviceLogEntry.deviceContent(sequence: sequence, previous: previous, body: body)
      deviceSignature = Signature64(try device.sign(DeviceLogEntry.deviceContext + content))
    } else {
      deviceSignature = nil
    }
    let content = DeviceLogEntry.signedContent(
      sequence: sequence, previous: previous, body: body, deviceSignature: deviceSignature, signer: signerKey)
    guard let signature = Signature64(try signer.sign(DeviceLogEntry.context + content)) else { throw .invalidSignature }
    self.signature = signature
  }

  /// Whether both signatures are right for the keys that the entry names.
  var signaturesAreValid: Bool {
    if let addedDevice {
      guard let deviceSignature else { return false }
      let content = DeviceLogEntry.deviceContent(sequence: sequence, previous: previous, body: body)
      guard
        SignatureAlgorithm.ed25519.verify(deviceSignature.bytes, of: DeviceLogEntry.deviceContext + content, publicKey: addedDevice.bytes)
      else { return false }
    }
    return SignatureAlgorithm.ed25519.verify(signature.bytes, of: DeviceLogEntry.context + signedContent, publicKey: signer.bytes)
  }

  var addedDevice: PublicKey32? {
    switch body {
    case .genesis(_, _, let device), .addDevice(let device): device
    case .revokeDevice, .rotateRecovery: nil
    }
  }

  private var signedContent: [UInt8] {
    DeviceLogEntry.signedContent(sequence: sequence, previous: previous, body: body, deviceSignature: deviceSignature, signer: signer)
  }

  private static func deviceContent(sequence: UInt64, previous: KeyHash, body: Body) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(version)
    let type: UInt8 =
      switch body {
      case .genesis: 1
      case .addDevice: 2
      case .revokeDevice: 3
      case .rotateRecovery: 4
      }
    writer.write(type)
    writer.write(sequence)
    writer.write(previous)
    switch body {
    case .genesis(let nonce, let recoveryKey, let deviceKey):
      writer.writeBytes(nonce)
      writer.write(recoveryKey)
      writer.write(deviceKey)
    case .addDevice(let key), .revokeDevice(let key), .rotateRecovery(let key): writer.write(key)
    }
    return writer.bytes
  }

  private static func signedContent(
    sequence: UInt64, previous: KeyHash, body: Body, deviceSignature: Signature64?, signer: PublicKey32
  ) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes(deviceContent(sequence: sequence, previous: previous, body: body))
    writer.writeVector(deviceSignature?.bytes ?? [])
    writer.write(signer)
    return writer.bytes
  }
}
