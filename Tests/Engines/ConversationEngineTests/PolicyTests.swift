import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

@testable import ConversationEngine
@testable import MLS

/// Commits that MLS itself would take, held against the rules of docs/protocol.md §10.
@Suite struct PolicyTests {
  let random = SeededRandom(seed: 9)

  /// A person with one device, and that device's leaf.
  struct Person {
    let key: SigningKey
    let log: DeviceLog
    let parameters: LeafParameters

    init(_ name: String, random: any RandomSource, extra: [Extension] = []) throws {
      key = SignatureAlgorithm.ed25519.generateKey(using: random)
      log = try DeviceLog(recoveryKey: SignatureAlgorithm.ed25519.generateKey(using: random), device: key, random: random)
      let delivery = DeliveryCapability(
        recipient: Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random)), administratorKey: .random(using: random)
      )
      var parameters = SottoLeaf.parameters(log: log, delivery: delivery, name: try #require(MemberName(name)))
      parameters.extensions += extra
      parameters.capabilities.extensions += extra.map(\.type)
      self.parameters = parameters
    }

    func bundle(_ random: any RandomSource, seconds: UInt64 = SottoProtocol.Limits.keyPackageSeconds) throws -> KeyPackageBundle {
      try KeyPackageBundle.generate(
        cipherSuite: SottoLeaf.suite, leaf: parameters, lifetime: Lifetime(notBefore: 1, notAfter: 1 + seconds), signer: key,
        random: random)
    }
  }

  /// A group of an owner and a member, each with its own view.
  struct World {
    let (owner, member): (Person, Person)
    var (ownersGroup, membersGroup): (Group, Group)
    let context: ConversationContext

    init(_ random: any RandomSource) throws {
      owner = try Person("Owner", random: random)
      member = try Person("Member", random: random)
      let server = try #require(ServerAddress(host: "example.org", port: 1, serverKey: .random(using: random)))
      context = ConversationContext(
        kind: .group, server: server, handle: .random(using: random), title: "team",
        roles: [.init(identity: owner.log.identity, role: .owner)])
      let alone = try Group.create(
        groupID: random.bytes(16), cipherSuite: SottoLeaf.suite,
        extensions: [SottoLeaf.required, Extension(type: SottoLeaf.contextType, data: context.encoded)], leaf: owner.parameters,
        signer: owner.key,
        validator: SottoCredentials(), random: random)
      let bundle = try member.bundle(random)
      let commit = try alone.commit(CommitPlan(adds: [bundle.keyPackage]), signer: owner.key, validator: SottoCredentials())
      ownersGroup = commit.group
      membersGroup = try Group.join(welcome: try #require(commit.welcome), keyPackage: bundle, validator: SottoCredentials()).group
    }

    func policy(of group: Group, _ random: any RandomSource) throws -> Policy {
      let keys = try Conversation.keys(beginning: group, generation: 0, nextSlot: 0)
      return Policy(
        Conversation(
          id: try #require(ConversationID(group.groupID)), group: group, context: context,
          administratorKey: SignatureAlgorithm.ed25519.generateKey(using: random), keys: keys))
    }
  }

  /// Whether the other side's policy takes a commit that MLS takes.
  func isPermitted(_ message: [UInt8], at group: Group, _ world: World, psks: any PSKProvider = NoPSK()) throws -> Bool {
    guard case .commit(let commit) = try group.process(message, psks: psks, validator: SottoCredentials()) else { return false }
    return try world.policy(of: group, random).permits(commit)
  }

  @Test func `fresh keys are for everybody, others' membership for administrators`() throws {
    let world = try World(random)
    let newcomer = try Person("Newcomer", random: random).bundle(random).keyPackage
    let update = try world.membersGroup.commit(CommitPlan(), signer: world.member.key, validator: SottoCredentials())
    #expect(try isPermitted(update.message, at: world.ownersGroup, world))
    let adding = try world.membersGroup.commit(CommitPlan(adds: [newcomer]), signer: world.member.key, validator: SottoCredentials())
    #expect(try !isPermitted(adding.message, at: world.ownersGroup, world))
    let removing = try world.membersGroup.commit(
      CommitPlan(removes: [world.ownersGroup.ownLeafIndex]), signer: world.member.key, validator: SottoCredentials())
    #expect(try !isPermitted(removing.message, at: world.ownersGroup, world))
    let owners = try world.ownersGroup.commit(CommitPlan(adds: [newcomer]), signer: world.owner.key, validator: SottoCredentials())
    #expect(try isPermitted(owners.message, at: world.membersGroup, world))
  }

  @Test func `roles are changed by an owner, who stays, and nothing else of the context is`() throws {
    let world = try World(random)
    func committed(_ context: ConversationContext, by group: Group, _ key: SigningKey) throws -> [UInt8] {
      let extensions = [SottoLeaf.required, Extension(type: SottoLeaf.contextType, data: context.encoded)]
      return try group.commit(CommitPlan(extensions: extensions), signer: key, validator: SottoCredentials()).message
    }
    var promoted = world.context
    promoted.roles.append(.init(identity: world.member.log.identity, role: .administrator))
    #expect(try isPermitted(committed(promoted, by: world.ownersGroup, world.owner.key), at: world.membersGroup, world))
    #expect(try !isPermitted(committed(promoted, by: world.membersGroup, world.member.key), at: world.ownersGroup, world))
    var ownerless = world.context
    ownerless.roles = []
    #expect(try !isPermitted(committed(ownerless, by: world.ownersGroup, world.owner.key), at: world.membersGroup, world))
    var moved = world.context
    moved.handle = .random(using: random)
    #expect(try !isPermitted(committed(moved, by: world.ownersGroup, world.owner.key), at: world.membersGroup, world))
  }

  @Test func `no commit mixes in a key that a newcomer could not have`() throws {
    let world = try World(random)
    let psk = InvitationPSK(id: [1, 2, 3], psk: Secret(random.bytes(32)))
    let id = PreSharedKeyID.external(id: [1, 2, 3], cipherSuite: SottoLeaf.suite)
    let commit = try world.ownersGroup.commit(CommitPlan(psks: [id]), signer: world.owner.key, psks: psk, validator: SottoCredentials())
    #expect(try !isPermitted(commit.message, at: world.membersGroup, world, psks: psk))
  }

  @Test func `a leaf that would crowd out the others is not taken, added or updated`() throws {
    let world = try World(random)
    let ballast = Extension(type: ExtensionType(rawValue: 0xF0FF), data: [UInt8](repeating: 0, count: 2_000))
    let heavy = try Person("Heavy", random: random, extra: [ballast]).bundle(random).keyPackage
    let adding = try world.ownersGroup.commit(CommitPlan(adds: [heavy]), signer: world.owner.key, validator: SottoCredentials())
    #expect(try !isPermitted(adding.message, at: world.membersGroup, world))
    var swollen = world.member.parameters
    swollen.extensions.append(ballast)
    swollen.capabilities.extensions.append(ballast.type)
    let update = try world.membersGroup.commit(CommitPlan(leaf: swollen), signer: world.member.key, validator: SottoCredentials())
    #expect(try !isPermitted(update.message, at: world.ownersGroup, world))
  }

  @Test func `a key package that would be good for longer than any needs to be adds nobody`() throws {
    let world = try World(random)
    for (seconds, isGood) in [(SottoProtocol.Limits.keyPackageSeconds, true), (SottoProtocol.Limits.keyPackageSeconds + 1, false)] {
      let newcomer = try Person("Newcomer", random: random).bundle(random, seconds: seconds).keyPackage
      let adding = try world.ownersGroup.commit(CommitPlan(adds: [newcomer]), signer: world.owner.key, validator: SottoCredentials())
      #expect(try isPermitted(adding.message, at: world.membersGroup, world) == isGood)
    }
  }

  @Test func `a state to come back to is one that somebody known could have led to`() throws {
    var world = try World(random)
    let policy = try world.policy(of: world.membersGroup, random)
    func isRecognised(_ group: Group, signer: LeafIndex) -> Bool {
      policy.recognises(group, group.members.compactMap(RosterDevice.init), signer: signer)
    }
    let update = try world.ownersGroup.commit(CommitPlan(), signer: world.owner.key, validator: SottoCredentials()).group
    #expect(isRecognised(update, signer: world.ownersGroup.ownLeafIndex))
    let newcomer = try Person("Newcomer", random: random).bundle(random).keyPackage
    let grown = try world.ownersGroup.commit(CommitPlan(adds: [newcomer]), signer: world.owner.key, validator: SottoCredentials()).group
    #expect(isRecognised(grown, signer: world.ownersGroup.ownLeafIndex))
    // A member who may not add, and a newcomer whom nobody here knows, vouch for nobody.
    #expect(!isRecognised(grown, signer: world.membersGroup.ownLeafIndex))
    #expect(!isRecognised(grown, signer: LeafIndex(2)))

    // A group of the same name that a member made: with everybody's leaves' names, but other roles, or without somebody.
    var usurped = world.context
    usurped.roles = [.init(identity: world.member.log.identity, role: .owner)]
    let extensions = [SottoLeaf.required, Extension(type: SottoLeaf.contextType, data: usurped.encoded)]
    let coup = try world.membersGroup.commit(CommitPlan(extensions: extensions), signer: world.member.key, validator: SottoCredentials())
      .group
    #expect(!isRecognised(coup, signer: world.membersGroup.ownLeafIndex))
    world.membersGroup = try Group.create(
      groupID: world.ownersGroup.groupID, cipherSuite: SottoLeaf.suite, extensions: world.ownersGroup.extensions,
      leaf: world.member.parameters,
      signer: world.member.key, validator: SottoCredentials(), random: random)
    #expect(!isRecognised(world.membersGroup, signer: world.membersGroup.ownLeafIndex))
  }

  @Test func `a Welcome takes a live group's place only from somebody in it who may add`() throws {
    let world = try World(random)
    let policy = try world.policy(of: world.membersGroup, random)
    let devices = world.membersGroup.members.compactMap(RosterDevice.init)
    let owner = try #require(devices.first { $0.identity == world.owner.log.identity })
    let member = try #require(devices.first { $0.identity == world.member.log.identity })
    #expect(policy.recognises(return: world.context, by: owner))
    #expect(!policy.recognises(return: world.context, by: member))
    var other = world.context
    other.handle = .random(using: random)
    #expect(!policy.recognises(return: other, by: owner))
    #expect(!policy.continues(other))
    var direct = world.context
    direct.kind = .direct
    #expect(!policy.continues(direct))
  }
}
