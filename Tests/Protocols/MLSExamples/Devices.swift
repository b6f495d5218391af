import CryptoSuite
import MLS

// docs: device
/// Somebody who takes part: in these examples a name, a signature key, and what to say of oneself in a group.
struct Device {
  let suite: CipherSuite
  let signer: SigningKey
  let leaf: LeafParameters

  init(_ name: String, suite: CipherSuite = .mls128X25519AES128SHA256Ed25519) {
    self.suite = suite
    signer = suite.signature.generateKey()
    leaf = LeafParameters(
      credential: .basic(identity: Array(name.utf8)),
      capabilities: Capabilities(
        cipherSuites: [suite.rawValue], extensions: [.appDataDictionary], proposals: [.selfRemove],
        credentials: [.basic]))
  }
}
// docs: end

// docs: validator
/// Knows which signature keys belong to whom. An application asks its own directory, or checks certificates.
struct Directory: CredentialValidator {
  private var keys: [Credential: Set<[UInt8]>] = [:]

  mutating func register(_ device: Device) {
    keys[device.leaf.credential, default: []].insert(device.signer.publicKey)
  }

  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
    keys[credential]?.contains(signatureKey) ?? false
  }

  func sameIdentity(old: Credential, new: Credential) -> Bool { old == new }
}
// docs: end

// docs: storage
/// Stands for a database. What changes together is saved in one transaction.
struct Storage {
  /// A group's state, and up to where in the server's log of messages it has been brought.
  private(set) var archive: GroupArchive?
  private(set) var position = 0
  /// A commit on its way: its bytes, to know it by when it comes back, and what winning brings.
  var waiting: (message: [UInt8], welcome: [UInt8]?, archive: GroupArchive)?

  mutating func save(_ group: Group, position: Int) {
    archive = group.archive()  // seal it with a key that the disk does not hold
    self.position = position
  }

  /// Changes all that `change` changes, or nothing when it throws.
  mutating func transaction(_ change: (inout Storage) throws -> Void) rethrows {
    var next = self
    try change(&next)
    self = next
  }
}
// docs: end

extension Directory {
  init(_ devices: [Device]) {
    self.init()
    for device in devices { register(device) }
  }
}

extension Device {
  /// A key package with its private keys, good for ever.
  func bundle() throws -> KeyPackageBundle {
    try KeyPackageBundle.generate(
      cipherSuite: suite, leaf: leaf, lifetime: Lifetime(notBefore: 0, notAfter: .max), signer: signer)
  }
}

/// Starts a group of these devices; returns each one's state.
func start(
  _ devices: [Device], extensions: [Extension] = [], directory: Directory
) throws -> [Group] {
  let group = try Group.create(
    groupID: SystemRandom().bytes(16), cipherSuite: devices[0].suite, extensions: extensions, leaf: devices[0].leaf,
    signer: devices[0].signer, validator: directory)
  let bundles = try devices.dropFirst().map { try $0.bundle() }
  guard !bundles.isEmpty else { return [group] }
  let commit = try group.commit(
    CommitPlan(adds: bundles.map(\.keyPackage)), signer: devices[0].signer, validator: directory)
  let joined = try bundles.map {
    try Group.join(welcome: commit.welcome ?? [], keyPackage: $0, validator: directory).group
  }
  return [commit.group] + joined
}

extension Group {
  /// The state after a message of somebody else.
  func after(
    _ message: [UInt8], psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator
  ) throws -> Group {
    switch try process(message, psks: psks, validator: validator) {
    case .application(_, let next), .proposal(_, let next): return next
    case .commit(let commit):
      guard let next = commit.group else { throw MLSError.unexpectedMessage }
      return next
    }
  }
}
