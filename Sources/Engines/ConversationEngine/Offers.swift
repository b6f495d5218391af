import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

extension DeviceState {
  /// Sees to it that this device has, or will have, a mailbox at a server.
  ///
  /// - Returns: the task that registers it, while there is one.
  @discardableResult
  mutating func ensureMailbox(at address: ServerAddress, voucher: Permission) -> UInt64? {
    let key = address.serverKey
    if servers[key]?.isRegistered == true { return nil }
    if let task = tasks.first(where: { if case .register(key, _) = $0.kind { true } else { false } }) { return task.id }
    if servers[key] == nil {
      let record = ServerRecord(
        address: address, mailbox: MailboxID.random(using: random), ownerKey: SignatureAlgorithm.ed25519.generateKey(using: random),
        sealKey: FirstContact.suite.generateKeyPair(using: random))
      setServer(record, key)
      // The first server is home, and the next one if that would not have this person.
      if profile.home.flatMap({ servers[$0] }) == nil { changeProfile { $0.home = key } }
    }
    addTask(.redeem(server: key, voucher: voucher, batch: nil))
    return addTask(.register(server: key, token: nil))
  }

  /// A new delivery key for this device's mailbox at a server, and the task that puts it in force.
  mutating func makeDelivery(at server: PublicKey32) throws(EngineError) -> (recipient: Recipient, task: UInt64) {
    guard var record = servers[server] else { throw .noMailbox }
    let deliveryKey = Permission.random(using: random)
    guard record.deliveryKeys.count < SottoProtocol.Limits.deliveryKeyCount else { throw .notPermitted }
    record.deliveryKeys.append(deliveryKey.hash)
    setServer(record, server)
    // A delivery task that was not handed out yet would do, but one that was carries the older set.
    let task = addTask(.delivery(server: server))
    return (Recipient(mailbox: record.mailbox, deliveryKey: deliveryKey), task)
  }

  /// Has delivery keys open this device's mailbox no more.
  mutating func withdraw(_ keys: Set<KeyHash>, at server: PublicKey32) {
    guard var record = servers[server] else { return }
    record.deliveryKeys.removeAll { keys.contains($0) }
    setServer(record, server)
    addTask(.delivery(server: server))
  }

  /// Makes what lets one other device add this one, with its own delivery key.
  mutating func makeOffer(_ purpose: OfferRecord.Purpose, server: ServerAddress, now: UInt64) throws(EngineError) -> OfferRecord {
    let (recipient, _) = try makeDelivery(at: server.serverKey)
    let administratorKey = SignatureAlgorithm.ed25519.generateKey(using: random)
    guard let administratorPublic = PublicKey32(administratorKey.publicKey) else { throw .cryptography }
    let leaf = SottoLeaf.parameters(
      log: profile.log, delivery: DeliveryCapability(recipient: recipient, administratorKey: administratorPublic), name: profile.name)
    let bundle: KeyPackageBundle
    do {
      bundle = try KeyPackageBundle.generate(
        cipherSuite: SottoLeaf.suite, leaf: leaf, lifetime: Self.lifetime(from: now), signer: profile.deviceKey, random: random)
    } catch { throw .cryptography }
    let offer = OfferRecord(
      purpose: purpose, server: server, seed: Secret(random.bytes(32)), keyPackage: bundle,
      contactKey: FirstContact.suite.generateKeyPair(using: random), administratorKey: administratorKey)
    setOffer(offer, offer.secrets.capabilityHash)
    return offer
  }

  /// Makes what lets the inviter's device add this one to a group, and has them told once its delivery key is in force.
  mutating func agree(
    to invitation: MessageID, of inviter: IdentityID, in id: ConversationID, server: ServerAddress, now: UInt64
  ) throws(EngineError) {
    let offer = try makeOffer(.consent(inviter: inviter), server: server, now: now)
    let delivery = tasks.last { if case .delivery(server.serverKey) = $0.kind { true } else { false } }?.id
    addTask(.consent(id, invitation: invitation, offer: offer.secrets.capabilityHash), after: delivery)
  }

  /// Tells the inviter, by an offer whose delivery key is in force.
  mutating func queueConsent(to invitation: MessageID, in id: ConversationID, by offerID: OfferID, now: UInt64) {
    guard let offer = offers[offerID], case .consent(let inviter) = offer.purpose, (try? activeConversation(id)) != nil else { return }
    guard offer.expires.map({ now < $0 }) ?? false, let bundle = try? ContactBundle(offer) else {
      // It had to wait for longer than its key package is good: another one takes its place, and its delivery key's.
      var renewed = self
      renewed.dropOffers([offerID])
      do {
        try renewed.agree(to: invitation, of: inviter, in: id, server: offer.server, now: now)
        self = renewed
      } catch {
        // None can be made. The invitation is still there, and without a consent it waits for an answer again.
        dropOffers([offerID])
        events.append(.consentFailed(invitation))
      }
      return
    }
    let consent = Consent(id: invitation, seed: offer.seed.exposedBytes, bundle: bundle)
    queueUnchecked(.consent(consent), in: id, entry: nil, now: now)
    setGroupInvitation(nil, invitation)
  }

  /// Erases offers of which nothing is to come, and has their delivery keys open this device's mailbox no more.
  mutating func dropOffers(_ ids: some Sequence<OfferID>) {
    var withdrawn: [PublicKey32: Set<KeyHash>] = [:]
    for id in ids {
      guard let offer = offers[id] else { continue }
      setOffer(nil, id)
      withdrawn[offer.server.serverKey, default: []].formUnion(offer.deliveryKeys)
    }
    for (server, keys) in withdrawn.sorted(by: { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }) { withdraw(keys, at: server) }
  }

  /// An invitation into a group that waits for this device's owner. One that was accepted stays until the consent goes out: if that cannot
  /// be, it waits again.
  func openGroupInvitation(_ id: MessageID) -> GroupInvitationRecord? {
    hasTask(.consent(id), where: { _ in true }) ? nil : groupInvitations[id]
  }

  /// Erases the keys of offers that nobody can use any more, and invitations to groups that cannot be answered.
  mutating func dropExpired(now: UInt64) {
    let awaited = Set(tasks.compactMap { if case .consent(_, _, let offer) = $0.kind { offer } else { nil } })
    // What was sent may still wait at a server, until this device has caught up there.
    let ended = offers.filter { $1.ends <= now && !awaited.contains($0) && following.contains($1.server.serverKey) }
    dropOffers(ended.keys)
    // There is nobody any more to whom an answer could go.
    for (id, record) in groupInvitations where conversations[record.conversation]?.state != .active { setGroupInvitation(nil, id) }
  }

  /// From the slack for clocks that are behind, for as long as a key package may be good: the offer itself lives as long as the server
  /// keeps the bundle.
  private static func lifetime(from now: UInt64) -> Lifetime {
    let (seconds, slack) = (now / 1_000, SottoProtocol.Limits.clockSlackSeconds)
    let start = seconds < slack ? 0 : seconds - slack
    return Lifetime(notBefore: start, notAfter: start + SottoProtocol.Limits.keyPackageSeconds)
  }

  /// The bundle of an offer, sealed for upload.
  func sealedBundle(_ offer: OfferRecord) throws(EngineError) -> [UInt8] {
    do { return try offer.secrets.seal(try ContactBundle(offer), random: random) } catch { throw .cryptography }
  }

  /// Turns a claimed bundle into a conversation of two (docs/protocol.md §6).
  mutating func acceptBundle(_ blob: [UInt8], server: ServerAddress, secrets: InvitationSecrets, now: UInt64) throws(EngineError) {
    guard let bundle = try? secrets.openBundle(blob), let keyPackage = Self.keyPackage(in: bundle, now: now),
      let log = SottoCredentials().log(of: keyPackage.leafNode.credential), log.identity != profile.log.identity,
      contacts[log.identity].map({ log.extends($0.log) }) ?? true
    else {
      events.append(.invitationRefused(secrets.capabilityHash))
      return
    }
    if let existing = contacts[log.identity]?.conversation, conversations[existing]?.state == .active {
      events.append(.accepted(log.identity, existing))
      return
    }
    guard let name = Self.name(of: keyPackage.leafNode) else {
      events.append(.invitationRefused(secrets.capabilityHash))
      return
    }
    let conversation = try createConversation(
      kind: .direct, title: "", server: server, others: [(log.identity, keyPackage, bundle.contactKey, secrets)], now: now)
    var contact =
      contacts[log.identity] ?? ContactRecord(log: log, petname: "", claimedName: name, isConfirmed: true, conversation: nil)
    contact.conversation = conversation.id
    contact.isConfirmed = true
    setContact(contact, log.identity)
    events.append(.accepted(log.identity, conversation.id))
  }

  /// The key package of a bundle, if it is one that Sotto makes.
  static func keyPackage(in bundle: ContactBundle, now: UInt64) -> KeyPackage? {
    guard let message = try? MLSMessage(decoding: bundle.keyPackage), case .keyPackage(let keyPackage) = message,
      keyPackage.cipherSuite == SottoLeaf.suite.rawValue, case .keyPackage(let lifetime) = keyPackage.leafNode.source,
      lifetime.contains(now / 1_000), Policy.fits(keyPackage.leafNode), delivery(of: keyPackage.leafNode) != nil,
      name(of: keyPackage.leafNode) != nil
    else { return nil }
    return keyPackage
  }

  static func delivery(of leaf: LeafNode) -> DeliveryCapability? {
    leaf.extensions.data(of: SottoLeaf.deliveryType).flatMap { try? DeliveryCapability(decoding: $0) }
  }

  static func name(of leaf: LeafNode) -> String? {
    leaf.extensions.data(of: SottoLeaf.nameType).flatMap { try? MemberName(decoding: $0) }?.text
  }

  /// Makes a conversation at this device, with the members it begins with, and queues what the server and they must learn.
  mutating func createConversation(
    kind: ConversationContext.Kind, title: String, server: ServerAddress,
    others: [(identity: IdentityID, keyPackage: KeyPackage, contactKey: PublicKey32, secrets: InvitationSecrets)], now: UInt64
  ) throws(EngineError) -> Conversation {
    let own = profile.log.identity
    let (recipient, delivery) = try makeDelivery(at: server.serverKey)
    let administratorKey = SignatureAlgorithm.ed25519.generateKey(using: random)
    guard let administratorPublic = PublicKey32(administratorKey.publicKey) else { throw .cryptography }
    let owners = kind == .direct ? [own] + others.map(\.identity) : [own]
    let context = ConversationContext(
      kind: kind, server: server, handle: HandleID.random(using: random), title: title,
      roles: owners.map { ConversationContext.Assignment(identity: $0, role: .owner) })
    let id = ConversationID.random(using: random)
    let leaf = SottoLeaf.parameters(
      log: profile.log, delivery: DeliveryCapability(recipient: recipient, administratorKey: administratorPublic), name: profile.name)
    var conversation: Conversation
    var welcome: [UInt8]?
    do {
      let group = try Group.create(
        groupID: id.bytes, cipherSuite: SottoLeaf.suite,
        extensions: [SottoLeaf.required, Extension(type: SottoLeaf.contextType, data: context.encoded)], leaf: leaf,
        lifetime: Self.lifetime(from: now), signer: profile.deviceKey, validator: SottoCredentials(), random: random)
      let keys = try Conversation.keys(beginning: group, generation: 0, nextSlot: 0)
      conversation = Conversation(id: id, group: group, context: context, administratorKey: administratorKey, keys: keys)
      if let other = others.first {
        let plan = CommitPlan(
          adds: others.map(\.keyPackage),
          psks: [PreSharedKeyID.external(id: other.secrets.pskID, cipherSuite: SottoLeaf.suite, random: random)],
          groupInfoExtensions: [Extension(type: SottoLeaf.keysType, data: keys.encoded)], now: now / 1_000)
        let commit = try group.commit(
          plan, signer: profile.deviceKey, psks: InvitationPSK(id: other.secrets.pskID, psk: other.secrets.psk),
          validator: SottoCredentials())
        conversation.adopt(commit.group)
        welcome = commit.welcome
      }
    } catch { throw .cryptography }
    for device in conversation.roster where device.identity != own {
      conversation.trackers[device.device] = SequenceTracker(author: device.identity, fromStart: true)
    }
    setConversation(conversation)
    addTask(.createLog(id, token: nil))
    if let welcome {
      for other in others {
        guard let recipient = Self.delivery(of: other.keyPackage.leafNode)?.recipient else { throw .cryptography }
        let frame: Frame
        do { frame = try FirstContact.seal(welcome, to: other.contactKey, secrets: other.secrets, random: random) } catch {
          throw .cryptography
        }
        addTask(.welcome(id, id: SendID.random(using: random), frame: frame.bytes, recipient: recipient), after: delivery)
      }
    }
    return conversation
  }
}

extension OfferRecord {
  /// From when on nobody takes it up: when the key package ends, less the slack for clocks; milliseconds since 1970.
  var expires: UInt64? {
    lastSecond.map { $0 - min($0, SottoProtocol.Limits.clockSlackSeconds) }.map { $0 * 1_000 }
  }

  /// From when on nothing can come of it: who took it up at the last moment has sent a Welcome, and that waits at the server for as long as
  /// any message; milliseconds since 1970.
  fileprivate var ends: UInt64 { (lastSecond ?? 0) * 1_000 + UInt64(SottoProtocol.Limits.expiryDays) * 86_400_000 }

  /// When the key package ends; seconds since 1970, and no more than there can be milliseconds of.
  private var lastSecond: UInt64? {
    guard case .keyPackage(let lifetime) = keyPackage.keyPackage.leafNode.source else { return nil }
    return min(lifetime.notAfter, .max / 2_000)
  }

  /// What lets who uses it write to this device's mailbox.
  fileprivate var deliveryKeys: Set<KeyHash> {
    Set([DeviceState.delivery(of: keyPackage.keyPackage.leafNode)?.recipient.deliveryKey.hash].compactMap(\.self))
  }
}

extension ContactBundle {
  /// The public half of an offer.
  init(_ offer: OfferRecord) throws(EngineError) {
    guard let contactKey = PublicKey32(offer.contactKey.publicKey) else { throw .cryptography }
    self.init(keyPackage: MLSMessage.keyPackage(offer.keyPackage.keyPackage).encoded, contactKey: contactKey)
  }
}
