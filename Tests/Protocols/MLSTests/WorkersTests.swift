import CryptoSuite
import Dispatch
import Synchronization
import TestSupport
import Testing

@testable import MLS

/// Joining with the help of others: the same answer, whoever does the work and in whatever order.
struct WorkersTests {
  /// Shares work among all cores.
  private struct AllCores: Workers {
    func perform(_ count: Int, _ work: @Sendable (Int) -> Void) {
      DispatchQueue.concurrentPerform(iterations: count, execute: work)
    }
  }

  /// Does the last part first, and counts them.
  private final class Backwards: Workers {
    let partCount = Mutex(0)

    func perform(_ count: Int, _ work: @Sendable (Int) -> Void) {
      partCount.withLock { $0 += count }
      for part in (0..<count).reversed() { work(part) }
    }
  }

  private static let suite = CipherSuite.mls128X25519AES128SHA256Ed25519
  private static let memberCount = 150

  /// A group of three parts of work, and somebody who was added to it.
  private static func world() throws -> (group: Group, welcome: [UInt8], bundle: KeyPackageBundle, signer: SigningKey) {
    let clients = (0..<memberCount).map { Client("\($0)", suite) }
    let bundles = try clients.map { try $0.bundle() }
    let founder = try Group.create(
      groupID: [1], cipherSuite: suite, leaf: clients[0].parameters, signer: clients[0].signer, validator: BasicIdentities())
    let commit = try founder.commit(
      CommitPlan(adds: bundles.dropFirst().map(\.keyPackage)), signer: clients[0].signer, validator: BasicIdentities())
    return (commit.group, try #require(commit.welcome), bundles[7], clients[0].signer)
  }

  @Test func `a newcomer reaches the same state with any workers`() throws {
    let (group, welcome, bundle, signer) = try Self.world()
    let backwards = Backwards()
    for workers in [CallingThread(), AllCores(), backwards] as [any Workers] {
      let joined = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities(), workers: workers)
      #expect(joined.group.epochAuthenticator == group.epochAuthenticator)
      #expect(joined.group.treeHash == group.treeHash)
    }
    #expect(backwards.partCount.withLock { $0 } == 3)

    let outsider = Client("outsider", Self.suite)
    let info = try group.groupInfo(signer: signer)
    let commit = try Group.joinExternally(
      groupInfo: info, leaf: outsider.parameters, signer: outsider.signer, validator: BasicIdentities(), workers: AllCores())
    #expect(commit.group.memberCount == Self.memberCount + 1)
  }

  @Test func `one bad signature among many is refused by any workers, wherever it stands`() throws {
    let (group, _, _, _) = try Self.world()
    for place in [0, 63, 64, 127, 128, Self.memberCount - 1] {
      let index = LeafIndex(UInt32(place))
      var tree = group.state.tree
      var leaf = try #require(tree.leaf(at: index))
      leaf.signature[0] ^= 1
      try tree.updateLeaf(leaf, at: index)
      for workers in [CallingThread(), AllCores(), Backwards()] as [any Workers] {
        #expect(throws: MLSError.invalidSignature(.leafNode)) {
          try tree.verifySignatures(tree.leaves, groupID: group.groupID, workers: workers)
        }
      }
    }
  }
}
