import CryptoSuite
import MLS
import Testing
import WireFormat

/// Members without the tree (draft-ietf-mls-partial).
struct LightMembers {
  private let alice = Device("alice")
  private let bob = Device("bob")
  private let carol = Device("carol")
  private var directory: Directory { Directory([alice, bob, carol]) }

  @Test func `join, follow and read without the tree, then become a full member`() throws {
    let groups = try start([alice, bob], directory: directory)
    var (aliceGroup, bobGroup) = (groups[0], groups[1])
    let bundle = try carol.bundle()
    // docs: partial-join
    let added = try aliceGroup.commit(
      CommitPlan(adds: [bundle.keyPackage], ratchetTreeInWelcome: false), signer: alice.signer, validator: directory)
    aliceGroup = added.group
    guard let welcome = added.welcome else { return }
    let annotated = try aliceGroup.annotatedWelcome(welcome, for: bundle.keyPackage).encoded
    // Carol, with some kilobytes instead of the tree:
    var carolGroup = try PartialGroup.join(welcome: annotated, keyPackage: bundle, validator: directory).group
    // docs: end
    bobGroup = try bobGroup.after(added.message { aliceGroup = $0.group }, validator: directory)

    // docs: partial-commit
    // Whoever has the tree adds the proofs, for each partial member its own: the committer, or another full member.
    let commit = try bobGroup.commit(CommitPlan(), signer: bob.signer, validator: directory)
    let message = commit.message { bobGroup = $0.groupIfLost ?? bobGroup }
    let forCarol = try bobGroup.annotator(for: message, commit).annotated(for: carolGroup.ownLeafIndex).encoded
    let received = try carolGroup.process(annotatedCommit: forCarol, validator: directory)
    if let next = received.group { carolGroup = next }
    // docs: end
    bobGroup = commit.group
    aliceGroup = try aliceGroup.after(message, validator: directory)
    #expect(carolGroup.epochAuthenticator == aliceGroup.epochAuthenticator)

    var texts: [[UInt8]] = []
    // docs: partial-message
    let sent = try bobGroup.protect(Array("hello".utf8), signer: bob.signer).message { bobGroup = $0 }
    let proven = try bobGroup.senderAuthenticated(sent).encoded
    if case .application(let message, let next) = try carolGroup.process(
      senderAuthenticated: proven, validator: directory)
    {
      texts.append(message.plaintext)
      carolGroup = next
    }
    // docs: end
    #expect(texts == [Array("hello".utf8)])

    let tree = aliceGroup.exportRatchetTree()
    // docs: upgrade
    let full = try carolGroup.upgraded(withRatchetTree: tree, validator: directory)
    // docs: end
    #expect(full.memberCount == 3 && full.epochAuthenticator == aliceGroup.epochAuthenticator)
  }
}
