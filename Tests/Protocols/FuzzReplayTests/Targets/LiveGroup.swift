import CryptoSuite
import WireFormat

@testable import MLS

/// A group as one member holds it, with the signature keys of the others: whoever runs a target can forge what they send.
///
/// It lies in the corpus, so that a message of a seed means the same in every run.
struct LiveGroup: WireCodable {
  static let fileName = "live-group"
  static let suite = CipherSuite.mls128X25519AES128SHA256Ed25519

  /// Private signature keys of the members, by their leaves. The holder's own is among them.
  var memberKeys: [OpaqueVector]
  /// Somebody outside.
  var strangerKey: OpaqueVector
  var strangerBundle: KeyPackageBundle
  var publicPart: [UInt8]
  var secretPart: Secret

  func encode(into writer: inout ByteWriter) {
    writer.writeList(memberKeys)
    strangerKey.encode(into: &writer)
    strangerBundle.encode(into: &writer)
    writer.writeVector(publicPart)
    writer.writeVector(secretPart)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    memberKeys = try reader.readList()
    strangerKey = try reader.read()
    strangerBundle = try KeyPackageBundle(from: &reader)
    publicPart = try reader.readVector()
    secretPart = try reader.readSecret()
  }

  /// Reads the committed one.
  static func load() throws -> (group: Group, members: [SigningKey], stranger: SigningKey, bundle: KeyPackageBundle) {
    let saved = try LiveGroup(decoding: Corpus.read(fileName))
    return (
      try Group(restoring: GroupArchive(publicPart: saved.publicPart, secretPart: saved.secretPart)),
      try saved.memberKeys.map { try SigningKey(.ed25519, privateKey: Secret($0.bytes)) },
      try SigningKey(.ed25519, privateKey: Secret(saved.strangerKey.bytes)), saved.strangerBundle
    )
  }

  init(group: Group, members: [SigningKey], stranger: SigningKey, bundle: KeyPackageBundle) {
    let archive = group.archive()
    memberKeys = members.map { OpaqueVector($0.privateBytes.exposedBytes) }
    strangerKey = OpaqueVector(stranger.privateBytes.exposedBytes)
    strangerBundle = bundle
    publicPart = archive.publicPart
    secretPart = archive.secretPart
  }
}

/// Takes every credential.
struct Anyone: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}

/// Knows one secret for every external key.
struct OneSecret: PSKProvider {
  func secret(for id: PreSharedKeyID) -> Secret? {
    if case .external = id.key { Secret([UInt8](repeating: 5, count: 32)) } else { nil }
  }
}

/// Somebody who makes seeds.
struct SeedClient {
  let signer = LiveGroup.suite.signature.generateKey()
  let name: String

  init(_ name: String) { self.name = name }

  var leaf: LeafParameters {
    LeafParameters(
      credential: .basic(identity: Array(name.utf8)),
      capabilities: Capabilities(
        cipherSuites: [LiveGroup.suite.rawValue], extensions: [ExtensionType(rawValue: 0xF0A5), .appDataDictionary],
        proposals: [ProposalType(rawValue: 0xF0A6), .selfRemove], credentials: [.basic]))
  }

  func bundle() throws -> KeyPackageBundle {
    try KeyPackageBundle.generate(
      cipherSuite: LiveGroup.suite, leaf: leaf, lifetime: Lifetime(notBefore: 0, notAfter: .max), signer: signer)
  }
}

/// Four members in one state, who make the messages of seeds.
struct SeedWorld {
  var clients: [SeedClient]
  var groups: [Group]
  let welcome: [UInt8]

  init() throws {
    clients = ["alice", "bob", "carol", "dave"].map { SeedClient($0) }
    let bundles = try clients.map { try $0.bundle() }
    let senders = ExternalSenders([
      ExternalSender(signatureKey: clients[0].signer.publicKey, credential: .basic(identity: [1]))
    ]).encoded
    let created = try Group.create(
      groupID: [1, 2, 3, 4, 5, 6, 7, 8], cipherSuite: LiveGroup.suite,
      extensions: [Extension(type: .externalSenders, data: senders)], leaf: clients[0].leaf, signer: clients[0].signer,
      validator: Anyone())
    let commit = try created.commit(
      CommitPlan(adds: bundles.dropFirst().map(\.keyPackage)), signer: clients[0].signer, validator: Anyone())
    welcome = commit.welcome ?? []
    groups = [commit.group]
    for bundle in bundles.dropFirst() {
      groups.append(try Group.join(welcome: welcome, keyPackage: bundle, validator: Anyone()).group)
    }
  }

  /// Lets a member renew its keys, and all others follow.
  mutating func commit(by index: Int) throws {
    let commit = try groups[index].commit(CommitPlan(), signer: clients[index].signer, validator: Anyone())
    for other in groups.indices where other != index {
      guard case .commit(let received) = try groups[other].process(commit.message, validator: Anyone()),
        let group = received.group
      else { throw BrokenProperty("a commit is taken for something else") }
      groups[other] = group
    }
    groups[index] = commit.group
  }
}
