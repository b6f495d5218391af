import CryptoSuite
import Dispatch
import MLS
import MLSTesting

/// A group of N members in two states: right after one commit has added all, and after half of them, chosen at random,
/// have committed once.
struct GroupWorld {
  let suite: CipherSuite
  let count: Int
  let founder: Group
  let founderSigner: SigningKey
  let bundles: [KeyPackageBundle]
  let welcome: [UInt8]
  /// Right after the mass add.
  let fresh: Crowd
  /// After the churn.
  private(set) var churned: Crowd
  /// Members who commit, in the order of their turns.
  let committers: [LeafIndex]
  /// Bytes of one commit after so many have committed: the mean over commits by random members.
  private(set) var commitBytes: [(committed: Int, bytes: Double)] = []
  var random: SplitMix64

  init(suite: CipherSuite, count: Int, milestones: [Int]) throws {
    self.suite = suite
    self.count = count
    var random = SplitMix64(state: UInt64(count))
    let signers = (0..<count).map { _ in suite.signature.generateKey() }
    bundles = try signers.dropFirst().enumerated().map { try Self.bundle($0 + 1, $1, suite) }
    founderSigner = signers[0]
    founder = try Group.create(
      groupID: [UInt8](repeating: 1, count: 16), cipherSuite: suite, leaf: Self.leaf(0, suite), signer: signers[0], validator: Anyone())
    let created = try founder.commit(CommitPlan(adds: bundles.map(\.keyPackage)), signer: signers[0], validator: Anyone())
    welcome = created.welcome ?? []
    var crowd = Crowd(founder: founder, signer: signers[0])
    crowd.adopt(created, newcomers: zip(bundles, signers.dropFirst()).map { ($0.leafKey, $1) })
    fresh = crowd
    churned = crowd
    committers = Array(crowd.leaves.shuffled(using: &random).prefix(max(1, count / 2)))
    self.random = random

    for (turn, committer) in committers.enumerated() {
      if milestones.contains(turn) || turn == 0 { commitBytes.append((turn, try meanCommitBytes())) }
      churned.adopt(try commit(by: committer, in: churned))
    }
    commitBytes.append((committers.count, try meanCommitBytes()))
  }

  func commit(by leaf: LeafIndex, in crowd: Crowd, _ plan: CommitPlan = CommitPlan()) throws -> OutgoingCommit {
    guard let member = crowd.member(at: leaf), let signer = crowd.signer(of: leaf) else { throw MLSError.invalidSender }
    return try member.commit(plan, signer: signer, validator: Anyone())
  }

  /// - Returns: members of the churned crowd.
  mutating func pick(_ number: Int) -> [LeafIndex] { Array(churned.leaves.shuffled(using: &random).prefix(number)) }

  /// The mean over all members cannot be had for less than a minute; that over a sample wanders by a tenth.
  private mutating func meanCommitBytes() throws -> Double {
    let sample = pick(16)
    return try sample.reduce(0.0) { try $0 + Double(commit(by: $1, in: churned).measured.count) } / Double(sample.count)
  }

  static func leaf(_ index: Int, _ suite: CipherSuite) -> LeafParameters {
    // Names of 16 bytes.
    let digits = String(index)
    let name = "member " + String(repeating: "0", count: 9 - digits.utf8.count) + digits
    return LeafParameters(
      credential: .basic(identity: Array(name.utf8)),
      capabilities: Capabilities(cipherSuites: [suite.rawValue], proposals: [.selfRemove], credentials: [.basic]))
  }

  static func bundle(_ index: Int, _ signer: SigningKey, _ suite: CipherSuite) throws -> KeyPackageBundle {
    try KeyPackageBundle.generate(
      cipherSuite: suite, leaf: leaf(index, suite), lifetime: Lifetime(notBefore: 0, notAfter: .max), signer: signer)
  }
}

extension OutgoingCommit {
  /// The message of a commit that nobody gets, so that there is nothing to store.
  var measured: [UInt8] { message { _ in } }
}

/// Random numbers that are the same in every run.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}

/// Takes every credential: what an application thinks of one is not measured.
struct Anyone: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}

/// Shares work among all cores.
struct AllCores: Workers {
  func perform(_ count: Int, _ work: @Sendable (Int) -> Void) {
    DispatchQueue.concurrentPerform(iterations: count, execute: work)
  }
}
