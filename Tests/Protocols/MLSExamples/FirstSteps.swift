import CryptoSuite
import MLS
import Testing
import WireFormat

/// From keys to a conversation.
struct FirstSteps {
  @Test func `keys and key packages`() throws {
    let now: UInt64 = 1_800_000_000
    let directory = Directory([])
    _ = directory
    // docs: key-package
    let bob = Device("bob")
    let bundle = try KeyPackageBundle.generate(
      cipherSuite: bob.suite, leaf: bob.leaf,
      lifetime: Lifetime(notBefore: now - 3_600, notAfter: now + 90 * 86_400), signer: bob.signer)
    let published = bundle.message  // for the server
    let secret = bundle.secretEncoding  // for one's own database, sealed
    // docs: end
    #expect(try KeyPackage(message: published) == bundle.keyPackage)
    #expect(try KeyPackageBundle(secretEncoding: secret) == bundle)
  }

  @Test func `a private key from elsewhere`() throws {
    let suite = CipherSuite.mls128P256AES128SHA256P256
    let stored = suite.signature.generateKey().privateBytes.exposedBytes
    // docs: import-key
    let signer = try SigningKey(suite.signature, privateKey: Secret(stored))
    // docs: end
    #expect(signer.privateBytes == Secret(stored))
  }

  @Test func `create, add, join, write and read`() throws {
    let now: UInt64 = 1_800_000_000
    let (alice, bob) = (Device("alice"), Device("bob"))
    let directory = Directory([alice, bob])
    let bundle = try bob.bundle()
    let published = bundle.message
    // docs: create
    var aliceGroup = try Group.create(
      groupID: SystemRandom().bytes(16), cipherSuite: alice.suite, leaf: alice.leaf, signer: alice.signer,
      validator: directory)
    // docs: end

    // docs: add
    let keyPackage = try KeyPackage(message: published)
    try keyPackage.validate(cipherSuite: alice.suite, now: now, validator: directory)
    let commit = try aliceGroup.commit(
      CommitPlan(adds: [keyPackage], now: now), signer: alice.signer, validator: directory)
    let change = commit.message { aliceGroup = $0.groupIfLost ?? aliceGroup }
    // Send it. When the server has put it first in its epoch, adopt the new state and send commit.welcome.
    aliceGroup = commit.group
    // docs: end
    let welcome = try #require(commit.welcome)
    #expect(throws: MLSError.ownMessage) { try commit.groupIfLost?.process(change, validator: directory) }

    let stock = [try bob.bundle(), bundle]
    // docs: welcome-for
    guard case .welcome(let content) = try MLSMessage.decode(welcome) else { return }
    let answered = stock.first { bundle in content.secrets.contains { $0.newMember == bundle.reference } }
    // docs: end
    #expect(answered == bundle)

    // docs: join
    let joined = try Group.join(welcome: welcome, keyPackage: bundle, validator: directory)
    var bobGroup = joined.group
    // Save the state and delete the bundle, in one transaction.
    // docs: end
    #expect(aliceGroup.epochAuthenticator == bobGroup.epochAuthenticator)

    var storage = Storage()
    // docs: send
    let sent = try aliceGroup.protect(Array("hello".utf8), signer: alice.signer)
    let message = sent.message { group in storage.save(group, position: 1) }
    aliceGroup = sent.group
    // docs: end
    #expect(storage.archive == aliceGroup.archive())
    // docs: send-in-memory
    let second = try aliceGroup.protect(Array("again".utf8), signer: alice.signer).message { aliceGroup = $0 }
    // docs: end

    var texts: [String] = []
    // docs: receive
    switch try bobGroup.process(message, validator: directory) {
    case .application(let received, let next):
      texts.append(String(decoding: received.plaintext, as: UTF8.self))  // from received.senderLeafNode.credential
      bobGroup = next
    case .proposal(_, let next):
      bobGroup = next  // waits there for a commit
    case .commit(let commit):
      guard let next = commit.group else { break }  // we were removed: nothing more to read here
      bobGroup = next  // after a look at commit.changes
    }
    // docs: end
    #expect(texts == ["hello"])
    #expect(try bobGroup.after(second, validator: directory).epoch == aliceGroup.epoch)
  }

  @Test func `seal a state`() throws {
    let alice = Device("alice")
    let group = try start([alice], directory: Directory([alice]))[0]
    let key = Secret(randomByteCount: 32)
    // docs: seal
    // The key lies where the disk does not tell it, in a keychain say.
    let archive = group.archive()
    let nonce = Secret(randomByteCount: 12)
    let sealed = try AEADAlgorithm.aes256GCM.seal(archive.secretPart, key: key, nonce: nonce, aad: [])
    // Later, from the rows of the database:
    let opened = try AEADAlgorithm.aes256GCM.openSecret(sealed, key: key, nonce: nonce, aad: [])
    let restored = try Group(restoring: GroupArchive(publicPart: archive.publicPart, secretPart: opened))
    // docs: end
    #expect(restored.archive() == archive)
    #expect(sealed.count == archive.secretPart.byteCount + 16)
  }

  @Test func `restore`() throws {
    let (alice, bob) = (Device("alice"), Device("bob"))
    let directory = Directory([alice, bob])
    var groups = try start([alice, bob], directory: directory)
    var log: [[UInt8]] = []
    let sent = try groups[0].protect([1], signer: alice.signer)
    log.append(sent.message { groups[0] = $0 })
    log.append([1, 2, 3])
    log.append(
      try groups[0].commit(CommitPlan(), signer: alice.signer, validator: directory).message { groups[0] = $0.group })
    var storage = Storage()
    storage.save(groups[1], position: 0)
    // docs: restore
    guard let archive = storage.archive else { return }
    var group = try Group(restoring: archive)
    for (place, message) in log.enumerated().dropFirst(storage.position) {
      switch try? group.process(message, validator: directory) {
      case .application(_, let next)?, .proposal(_, let next)?: group = next
      case .commit(let commit)?: group = commit.group ?? group
      case nil: break  // refused, and so passed over for good
      }
      storage.save(group, position: place + 1)
    }
    // docs: end
    #expect(storage.position == 3)
    #expect(group.epoch == 2)
    // What was read cannot be read again.
    #expect(throws: MLSError.replayedOrExpiredGeneration(0)) { try group.process(log[0], validator: directory) }
  }
}
