public import CryptoSuite
public import SottoProtocol
import WireFormat

/// One device of one person: its conversations, what it has to send, and what it makes of what it receives.
///
/// No I/O but the store: bytes and the time (`now`, milliseconds since 1970) go in, ``Work`` and ``Event``s come out. Each mutating call is one durable
/// transaction. A call that throws `.store` has changed nothing here; open the store again, since a write may have happened.
public struct ConversationEngine {
  let store: any DeviceStore
  var state: DeviceState
  /// Work that was handed out and not completed. Not saved: after a restart it is handed out again.
  private(set) var inFlight: Set<UInt64> = []
  private var events: [Event] = []

  private init(store: any DeviceStore, state: DeviceState) {
    self.store = store
    self.state = state
  }

  /// Makes a person with this device as the first, and queues the registration of its mailbox.
  ///
  /// - Parameter name: what the person calls themselves, 1 to 128 bytes; their contacts see it.
  /// - Returns: the engine, and the recovery key, which is kept nowhere.
  public static func create(
    name: String, registration: RegistrationLink, store: any DeviceStore, random: any RandomSource, now: UInt64
  ) throws(EngineError) -> (engine: ConversationEngine, recovery: RecoveryKey) {
    guard let memberName = MemberName(name) else { throw .badLength(byteCount: name.utf8.count, limit: Limits.nameByteCount) }
    let recovery: RecoveryKey
    let profile: ProfileRecord
    do {
      recovery = try RecoveryKey(random: random)
      let deviceKey = SignatureAlgorithm.ed25519.generateKey(using: random)
      let log = try DeviceLog(recoveryKey: recovery.signingKey, device: deviceKey, random: random)
      profile = ProfileRecord(name: memberName, log: log, deviceKey: deviceKey)
    } catch { throw .cryptography }
    var engine = ConversationEngine(store: store, state: DeviceState(profile: profile, random: random))
    try engine.transact { (state) throws(EngineError) in
      _ = state.ensureMailbox(at: registration.server, voucher: registration.voucher)
    }
    return (engine, recovery)
  }

  /// Opens what a store holds.
  ///
  /// - Returns: nil when it holds no profile.
  /// - Throws: `.damagedState` when it cannot be read.
  public static func open(store: any DeviceStore, random: any RandomSource) throws(EngineError) -> ConversationEngine? {
    guard let state = try DeviceState(store: store, random: random) else { return nil }
    return ConversationEngine(store: store, state: state)
  }

  // MARK: The shell's side

  /// What happened since the last call.
  public mutating func takeEvents() -> [Event] {
    defer { events = [] }
    return events
  }

  /// Whether anything is still to be sent or asked.
  ///
  /// What was asked of somebody who may be away for days, and is asked again then, does not count.
  public var hasWork: Bool { hasWork(beside: []) }

  /// The same, apart from what only these servers can answer.
  public func hasWork(beside servers: Set<PublicKey32>) -> Bool {
    state.tasks.contains { isWork($0) && !(state.serverKey(of: $0).map(servers.contains) ?? false) }
  }

  func isWork(_ task: TaskRecord) -> Bool {
    // What is tried again after a while does not count until then; and who asks for tokens takes the answer, or would ask anew each time.
    let isAwaited =
      switch task.kind {
      case .redelivery, .refill, .vouchers: inFlight.contains(task.id)
      default: false
      }
    return isAwaited || !state.isPatient(task)
  }

  /// The server at which this person began: where their invitations lead.
  public var home: PublicKey32? { state.profile.home }

  /// The server on which a conversation lives.
  public func server(of conversation: ConversationID) throws(EngineError) -> PublicKey32 {
    guard let found = state.conversations[conversation] else { throw .noSuchConversation }
    return found.context.server.serverKey
  }

  /// When `nextWork` has something again, because of back-off, as it was found by the last call of `nextWork`; nil when nothing waits for
  /// time alone.
  public private(set) var nextDeadline: UInt64?

  /// The work that can be done now and was not handed out. Call it after every other mutating call, and each hour while there is a
  /// connection: some things are done by the calendar, and have no deadline.
  public mutating func nextWork(now: UInt64) throws(EngineError) -> [Work] {
    let (inFlight, store) = (inFlight, store)
    let (work, deadline) = try transact { (state) throws(EngineError) in try state.prepareWork(now: now, inFlight: inFlight, store: store) }
    nextDeadline = deadline
    for item in work { self.inFlight.insert(item.id) }
    return work
  }

  /// Tells how work ended. Unknown ids are ignored: the work was done or became needless meanwhile.
  public mutating func complete(_ id: UInt64, _ result: WorkResult, now: UInt64) throws(EngineError) {
    let store = store
    try transact { (state) throws(EngineError) in try state.complete(id, result, store: store, now: now) }
    inFlight.remove(id)
  }

  /// Forgets what was handed out: after a connection was lost, everything that was not completed is handed out again.
  public mutating func resetInFlight() { inFlight = [] }

  /// Opens and processes one envelope from a stream. When it returns, everything that came of it is committed, and the cursor may be acknowledged.
  ///
  /// - Throws: only `.store`; content that cannot be used is dropped.
  public mutating func receive(sealed: [UInt8], from server: ServerAddress, now: UInt64) throws(EngineError) {
    let store = store
    try transact { (state) throws(EngineError) in try state.receive(sealed: sealed, from: server, store: store, now: now) }
  }

  /// The stream of this device's mailbox has said, for the first time since it was attached, that nothing waits any more.
  public mutating func caughtUp(with server: ServerAddress, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in state.noteCaughtUp(with: server.serverKey, now: now) }
  }

  /// A stream that had caught up is gone.
  public mutating func fellBehind(_ server: ServerAddress, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in state.noteFellBehind(server.serverKey, now: now) }
  }

  /// What attaches the stream of this device's mailbox at a server.
  public func attachMessage(server: ServerAddress, serverKey: PublicKey32, nonce: [UInt8]) throws(EngineError) -> OwnerMessage {
    guard let record = state.servers[server.serverKey], serverKey == server.serverKey else { throw .noMailbox }
    let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: record.mailbox)
    guard let bytes = try? record.ownerKey.sign(content), let signature = Signature64(bytes) else { throw .cryptography }
    return .attach(mailbox: record.mailbox, signature: signature)
  }

  /// The highest sequence seen in a server's identity statements.
  public func lastStatementSequence(of server: ServerAddress) -> UInt64 {
    state.servers[server.serverKey]?.statementSequence ?? 0
  }

  /// Remembers what a server's statement says: the sequence, so that an older one is refused from now on, and with which keys the server
  /// signs tokens. Nothing is ever signed under another one.
  public mutating func noteStatement(_ statement: IdentityStatement, of server: ServerAddress) throws(EngineError) {
    guard let record = state.servers[server.serverKey], statement.serverKey == server.serverKey,
      statement.sequence >= record.statementSequence
    else { return }
    var changed = record
    changed.note(statement)
    guard changed.encoded != record.encoded else { return }
    let noted = changed
    try transact { (state) throws(EngineError) in state.setServer(noted, server.serverKey) }
  }

  /// Works on a copy of the state, commits the copy's changes, then takes the copy.
  mutating func transact<Result>(_ body: (inout DeviceState) throws(EngineError) -> Result) throws(EngineError) -> Result {
    var draft = state
    let result = try body(&draft)
    let transaction = draft.takeTransaction()
    if !transaction.isEmpty {
      do { try store.commit(transaction) } catch { throw .store(error) }
    }
    events += draft.events
    draft.events = []
    state = draft
    return result
  }
}
