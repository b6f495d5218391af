import CryptoSuite
import MLS
import Testing

/// Secrets that go into a group, come out of it, and lead from one group to another.
struct Secrets {
  private let alice = Device("alice")
  private let bob = Device("bob")
  private var directory: Directory { Directory([alice, bob]) }

  @Test func `pre-shared keys`() throws {
    var (aliceGroup, bobGroup) = try pair()
    let agreed = Secret(randomByteCount: 32)
    // docs: psk
    var keys = PreSharedKeys()
    keys.add(agreed, externalID: Array("meeting".utf8))  // all members know it
    let id = PreSharedKeyID.external(id: Array("meeting".utf8), cipherSuite: aliceGroup.cipherSuite)
    let commit = try aliceGroup.commit(
      CommitPlan(psks: [id]), signer: alice.signer, psks: keys, validator: directory)
    aliceGroup = commit.group
    // docs: end
    let message = commit.message { aliceGroup = $0.group }
    #expect(throws: MLSError.missingPreSharedKey) { try bobGroup.process(message, validator: directory) }
    bobGroup = try bobGroup.after(message, psks: keys, validator: directory)
    #expect(bobGroup.epochAuthenticator == aliceGroup.epochAuthenticator)
  }

  @Test func `resumption`() throws {
    var (aliceGroup, bobGroup) = try pair()
    let commit = try aliceGroup.commit(CommitPlan(), signer: alice.signer, validator: directory)
    bobGroup = try bobGroup.after(commit.message { aliceGroup = $0.group }, validator: directory)
    // docs: resumption
    // Only who was there in epoch 1 can follow. A group remembers the keys of its own last epochs; those of other
    // groups come from the provider: PreSharedKeys.add(resumptionOf:).
    let id = PreSharedKeyID.resumption(
      groupID: aliceGroup.groupID, epoch: 1, cipherSuite: aliceGroup.cipherSuite)
    let proof = try aliceGroup.commit(CommitPlan(psks: [id]), signer: alice.signer, validator: directory)
    // docs: end
    bobGroup = try bobGroup.after(proof.message { aliceGroup = $0.group }, validator: directory)
    #expect(bobGroup.epochAuthenticator == aliceGroup.epochAuthenticator)
  }

  @Test func `replace a group`() throws {
    var (aliceGroup, bobGroup) = try pair()
    let (newAlice, newBob) = (Device("alice", suite: .sottoXWing), Device("bob", suite: .sottoXWing))
    let directory = Directory([alice, bob, newAlice, newBob])
    // docs: reinit
    let next = ReInit(
      groupID: SystemRandom().bytes(16), version: .mls10, cipherSuite: CipherSuite.sottoXWing.rawValue,
      extensions: [])
    let end = try aliceGroup.commit(CommitPlan(reInit: next), signer: alice.signer, validator: directory)
    let message = end.message { aliceGroup = $0.group }
    bobGroup = try bobGroup.after(message, validator: directory)  // bobGroup.successor is now set
    // Any member starts the new group, with a key package of everybody else for the new suite.
    let bundle = try newBob.bundle()
    let start = try aliceGroup.reinitialize(
      members: [bundle.keyPackage], leaf: newAlice.leaf, signer: newAlice.signer, validator: directory)
    guard let welcome = start.welcome else { return }
    let joined = try Group.join(
      welcome: welcome, keyPackage: bundle, predecessor: .reinitialized(bobGroup), validator: directory)
    // docs: end
    #expect(joined.group.cipherSuite == .sottoXWing)
    #expect(joined.group.epochAuthenticator == start.group.epochAuthenticator)
    #expect(throws: MLSError.groupEnded) { try aliceGroup.protect([1], signer: alice.signer) }
  }

  @Test func `branch off`() throws {
    let (aliceGroup, bobGroup) = try pair()
    // docs: branch
    let bundle = try bob.bundle()
    let branch = try aliceGroup.branch(
      groupID: SystemRandom().bytes(16), members: [bundle.keyPackage], leaf: alice.leaf, signer: alice.signer,
      validator: directory)
    guard let welcome = branch.welcome else { return }
    let joined = try Group.join(
      welcome: welcome, keyPackage: bundle, predecessor: .branched(bobGroup), validator: directory)
    // docs: end
    #expect(joined.group.epochAuthenticator == branch.group.epochAuthenticator)
  }

  @Test func `exported secrets`() throws {
    var (aliceGroup, bobGroup) = try pair()
    // docs: export
    let transfer = try aliceGroup.export(label: "example file transfer", context: [], count: 32)
    // docs: end
    #expect(try transfer == bobGroup.export(label: "example file transfer", context: [], count: 32))

    var storage = Storage()
    // docs: safe-export
    let media = ComponentID(rawValue: 0x8001)
    let exported = try aliceGroup.safeExportSecret(for: media)
    let mediaSecret = exported.secret { group in storage.save(group, position: 7) }
    aliceGroup = exported.group  // knows it no more
    // docs: end
    #expect(storage.archive == aliceGroup.archive())
    #expect(try mediaSecret == bobGroup.safeExportSecret(for: media).secret { bobGroup = $0 })
    #expect(throws: MLSError.exportSecretSpent) { try aliceGroup.safeExportSecret(for: media) }
  }

  @Test func `the same epoch`() throws {
    let (aliceGroup, bobGroup) = try pair()
    // docs: authenticator
    let isSame = aliceGroup.epoch == bobGroup.epoch && aliceGroup.epochAuthenticator == bobGroup.epochAuthenticator
    // docs: end
    #expect(isSame)
  }

  private func pair() throws -> (Group, Group) {
    let groups = try start([alice, bob], directory: directory)
    return (groups[0], groups[1])
  }
}
