public import CryptoSuite
public import WireFormat

/// The hash by which a Welcome names the key package it answers (RFC 9420 §5.2).
public struct KeyPackageRef: Sendable, Hashable, WireCodable {
  /// The hash.
  public var bytes: [UInt8]

  /// A reference with this hash.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  public init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector() }
  public func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}

/// What a Welcome encrypts to one new member (RFC 9420 §12.4.3.1).
struct GroupSecrets: Sendable, Equatable {
  var joinerSecret: Secret
  /// The secret of the lowest node that covers both the committer and the new member.
  var pathSecret: Secret?
  var preSharedKeys: [PreSharedKeyID]

  init(joinerSecret: Secret, pathSecret: Secret?, preSharedKeys: [PreSharedKeyID]) {
    self.joinerSecret = joinerSecret
    self.pathSecret = pathSecret
    self.preSharedKeys = preSharedKeys
  }
}

extension GroupSecrets: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.writeVector(joinerSecret)
    writer.writeOptionalVector(pathSecret)
    writer.writeList(preSharedKeys)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    joinerSecret = try reader.readSecret()
    pathSecret = try reader.readOptionalSecret()
    preSharedKeys = try reader.readList(maxCount: Limits.maxPreSharedKeys)
  }
}

/// The ``GroupSecrets`` of one new member, encrypted to its key package (RFC 9420 §12.4.3.1).
public struct EncryptedGroupSecrets: Sendable, Hashable {
  /// Whose key package opens it.
  public var newMember: KeyPackageRef
  /// The secrets, encrypted to its init key.
  public var encryptedGroupSecrets: HPKECiphertext

  init(newMember: KeyPackageRef, encryptedGroupSecrets: HPKECiphertext) {
    self.newMember = newMember
    self.encryptedGroupSecrets = encryptedGroupSecrets
  }
}

extension EncryptedGroupSecrets: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    newMember.encode(into: &writer)
    encryptedGroupSecrets.encode(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    newMember = try KeyPackageRef(from: &reader)
    encryptedGroupSecrets = try HPKECiphertext(from: &reader)
  }
}

/// What lets the members added by a commit join the group (RFC 9420 §12.4.3.1).
public struct Welcome: Sendable, Hashable {
  /// The number of the group's suite.
  public var cipherSuite: UInt16
  /// One entry for each new member.
  public var secrets: [EncryptedGroupSecrets]
  /// The ``GroupInfo``, encrypted for all of them.
  public var encryptedGroupInfo: [UInt8]

  init(cipherSuite: UInt16, secrets: [EncryptedGroupSecrets], encryptedGroupInfo: [UInt8]) {
    self.cipherSuite = cipherSuite
    self.secrets = secrets
    self.encryptedGroupInfo = encryptedGroupInfo
  }
}

extension Welcome: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.write(cipherSuite)
    writer.writeList(secrets)
    writer.writeVector(encryptedGroupInfo)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    cipherSuite = try reader.readUInt16()
    secrets = try reader.readList(maxCount: Limits.maxLeafCount)
    encryptedGroupInfo = try reader.readVector()
  }
}
