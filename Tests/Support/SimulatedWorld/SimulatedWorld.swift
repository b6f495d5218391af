package import ConversationEngine
import CryptoSuite
package import DeviceStoreTesting
import MailboxEngine
package import MailboxEngineTesting
package import SottoProtocol
package import TestSupport
import WireFormat

/// A server and some devices in one task, with a clock, a network and disks that follow from a seed.
///
/// Nothing here waits for real time, and nothing but the seed decides: a failing seed fails again. Key material inside the cryptography is
/// not seeded, so nothing may depend on the bytes of a ciphertext.
package final class SimulatedWorld {
  package let seed: UInt64
  package var generator: SeededGenerator
  /// Milliseconds since 1970.
  package private(set) var now: UInt64 = 1_800_000_000_000
  package let server: SimulatedServer
  package private(set) var devices: [SimulatedDevice] = []
  package var faults: Faults
  package var ledger = Ledger()
  /// What happened, for who looks into a failure.
  package private(set) var trace: [String] = []
  package private(set) var eventCount = 0
  /// Called for users' events; a scenario without users of chance leaves it.
  package var onUser: ((SimulatedWorld, Int) async throws -> Void)?
  /// Sees each call before the server does; true swallows it as if lost on the way.
  package var interceptCall: ((_ device: Int, Request) -> Bool)?
  /// Sees each answer; true loses it.
  package var interceptAnswer: ((_ device: Int, Request, Answer) -> Bool)?
  /// Devices whose mailboxes take nothing.
  package var fullMailboxes: Set<Int> = []
  private var queue = EventQueue<WorldEvent>()
  private var streams: [Int: SimulatedStream] = [:]
  private var lastStream = 0

  enum WorldEvent {
    case callArrives(Call, isCopy: Bool)
    case callEnds(Call, Answer?)
    case connect(device: Int, incarnation: Int)
    case statementArrives(device: Int, incarnation: Int, work: UInt64)
    case toServer(stream: Int, [UInt8])
    case toDevice(stream: Int, [UInt8])
    case streamEnds(Int)
    case serverNoticesEnd(Int)
    case serverWakes(Int)
    case wake(device: Int, incarnation: Int)
    case restartDevice(Int)
    case restartServer
    case user(Int)
    case online(Int, Bool)
  }

  package init(seed: UInt64, deviceCount: Int, faults: Faults = .none) async throws {
    self.seed = seed
    self.faults = faults
    generator = SeededGenerator(seed: seed)
    server = try SimulatedServer(seed: seed, now: now)
    let vouchers = try await server.engine.makeVouchers(deviceCount)
    for (index, voucher) in vouchers.enumerated() {
      let device = SimulatedDevice(index: index, seed: seed)
      devices.append(device)
      let link = RegistrationLink(server: server.address, voucher: voucher)
      device.engine = try ConversationEngine.create(
        name: device.name, registration: link, store: device.store, random: device.random, now: now
      ).engine
      ledger.identities[device.identity] = index
      pump(device)
    }
  }

  package func note(_ text: @autoclosure () -> String) { trace.append("\(now - 1_800_000_000_000) \(text())") }

  // MARK: Chance

  package func chance(_ share: Double) -> Bool { share > 0 && Double.random(in: 0..<1, using: &generator) < share }

  package func pick(_ range: ClosedRange<UInt64>) -> UInt64 { UInt64.random(in: range, using: &generator) }

  package func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &generator) }

  private func delay() -> UInt64 { pick(1...max(1, faults.longestDelay)) }

  // MARK: Time

  /// Plans a call of `onUser`.
  package func planUser(_ number: Int, in milliseconds: UInt64) { queue.add(.user(number), at: now + milliseconds) }

  package func setOnline(_ index: Int, _ isOnline: Bool, in milliseconds: UInt64) {
    queue.add(.online(index, isOnline), at: now + milliseconds)
  }

  /// Lets everything happen that is going to happen.
  ///
  /// - Throws: when it does not end within so many events.
  package func run(limit: Int = 60_000) async throws {
    var count = 0
    while queue.nextTime != nil {
      count += 1
      guard count <= limit else { throw WorldFailure("no end after \(limit) events") }
      try await step()
    }
  }

  private func step() async throws {
    guard let (time, event) = queue.next() else { return }
    eventCount += 1
    now = max(now + 1, time)
    server.clock.set(now)
    try await handle(event)
    for stream in server.wakes.take() { queue.add(.serverWakes(stream), at: now + delay()) }
    if server.isDown, !isServerRestarting { serverCrashed() }
  }

  /// Lets so much time pass, and what falls into it happen.
  package func run(for milliseconds: UInt64) async throws {
    let end = now + milliseconds
    while let time = queue.nextTime, time <= end { try await step() }
    now = max(now, end)
  }

  // MARK: Doing

  /// Has a device's owner do something, and the device what follows from it.
  ///
  /// - Returns: nil when the device is down, or crashed over it.
  /// - Throws: what the engine refuses.
  @discardableResult
  package func act<Result>(
    _ index: Int, _ body: (inout ConversationEngine, UInt64) throws(EngineError) -> Result
  ) throws(EngineError) -> Result? {
    now += 1
    server.clock.set(now)
    let device = devices[index]
    let result = try operate(device) { (engine) throws(EngineError) in try body(&engine, now) }
    pump(device)
    return result
  }

  /// - Returns: nil when the device is down, or its disk failed over it.
  private func operate<Result>(
    _ device: SimulatedDevice, _ body: (inout ConversationEngine) throws(EngineError) -> Result
  ) throws(EngineError) -> Result? {
    guard var engine = device.engine else { return nil }
    // The engine is owned by one place at a time, or every change would copy it.
    device.engine = nil
    do {
      let before = device.store.writeCount
      let result = try body(&engine)
      device.engine = engine
      if device.store.writeCount > before { device.commitWrites.append(device.store.writeCount) }
      collectEvents(device)
      return result
    } catch .store {
      crashed(device)
      return nil
    } catch {
      device.engine = engine
      throw error
    }
  }

  private func collectEvents(_ device: SimulatedDevice) {
    for event in device.engine?.takeEvents() ?? [] {
      device.events.append(event)
      if case .invitationReady(let offer, let link) = event { device.links.append((offer, link)) }
      note("\(device.name) \(Self.describe(event))")
    }
  }

  private static func describe(_ event: Event) -> String {
    switch event {
    case .message(_, let entry): "event message \(entry.kind) at \(entry.position)"
    case .invitationReady: "event invitationReady"
    default: "event " + "\(event)".prefix { $0 != "(" }
    }
  }

  private func crashed(_ device: SimulatedDevice) {
    note("\(device.name) crashes")
    device.engine = nil
    device.incarnation += 1
    device.heldCalls = []
    device.heldIdentifications = []
    device.heldMessages = []
    device.unanswered = [:]
    device.wakeTime = nil
    device.isConnecting = false
    if let stream = device.stream { cut(stream, noticedByDevice: false) }
    device.stream = nil
    queue.add(.restartDevice(device.index), at: now + pick(50...3_000))
  }

  /// Hands out the engine's work, and plans to look again.
  private func pump(_ device: SimulatedDevice) {
    let now = now
    let handedOut: [Work]?
    do {
      handedOut = try operate(device) { (engine) throws(EngineError) in try engine.nextWork(now: now) }
    } catch {
      ledger.failures.append("\(device.name) cannot make its work: \(error)")
      return note("\(device.name) cannot make its work: \(error)")
    }
    guard let work = handedOut else { return }
    for item in work {
      switch item.action {
      case .call(let request):
        let call = Call(
          device: device.index, incarnation: device.incarnation, work: item.id, request: request,
          message: device.engine?.messageID(ofWork: item.id))
        ledger.note(call)
        if device.isOnline { start(call) } else { device.heldCalls.append(call) }
      case .owner(let message):
        if let stream = device.stream, stream.phase == .attached, !stream.isCut {
          device.unanswered[item.ownerID] = item.id
          send(message, on: stream)
        } else {
          device.heldMessages.append((item.id, message))
        }
      case .identify:
        device.heldIdentifications.append(item.id)
        if device.isOnline { fetchStatements(device) }
      }
    }
    if let deadline = device.engine?.nextDeadline, device.wakeTime.map({ deadline < $0 || $0 <= now }) ?? true {
      device.wakeTime = deadline
      queue.add(.wake(device: device.index, incarnation: device.incarnation), at: max(now + 1, deadline))
    }
    if device.isOnline, device.stream == nil, !device.isConnecting, device.engine?.servers.isEmpty == false {
      device.isConnecting = true
      queue.add(.connect(device: device.index, incarnation: device.incarnation), at: now + delay())
    }
  }

  // MARK: Calls

  private func start(_ call: Call) {
    note("\(devices[call.device].name) calls \(Self.describe(call.request)) #\(call.work)")
    if chance(faults.lossBefore) || interceptCall?(call.device, call.request) == true {
      note("  … lost")
      return queue.add(.callEnds(call, nil), at: now + pick(500...5_000))
    }
    queue.add(.callArrives(call, isCopy: false), at: now + delay())
    if chance(faults.duplicate) { queue.add(.callArrives(call, isCopy: true), at: now + delay() + delay()) }
  }

  package static func describe(_ request: Request) -> String {
    switch request {
    case .register: "register"
    case .send(_, let frame, let recipients): "send \(frame.count) to \(recipients.count)"
    case .createLog: "createLog"
    case .append(let append): "append \(append.slot)\(append.rotation == nil ? "" : " rotating")"
    case .readLog(_, let slot): "readLog \(slot)"
    case .groupInfo: "groupInfo"
    case .claim: "claim"
    case .rotate: "rotate"
    case .redeem: "redeem"
    case .object: "object"
    }
  }

  private static func describe(_ answer: Answer?) -> String {
    switch answer {
    case nil: "nothing"
    case .sent(let answers): "sent \(answers.map(\.rawValue))"
    case .appended(let answers): "appended \(answers.map(\.rawValue))"
    case .entries(let first, let next, let entries): "entries first \(first) next \(next) count \(entries.count)"
    case .conflict(let next): "conflict next \(next)"
    case .claimed: "claimed"
    case .groupInfo: "groupInfo"
    case .redeemed: "redeemed"
    case .some(let other): "\(other)"
    }
  }

  /// Sends a request past any engine, as somebody does who follows no rules.
  package func callServer(_ request: Request) async throws -> Answer {
    now += 1
    server.clock.set(now)
    let outcome = await server.engine.call(request.encoded)
    for stream in server.wakes.take() { queue.add(.serverWakes(stream), at: now + delay()) }
    guard case .reply(let bytes) = outcome else { throw WorldFailure("malformed") }
    let answer = try Answer(decoding: bytes)
    note("stranger calls \(Self.describe(request)): \(Self.describe(answer))")
    return answer
  }

  private func arrive(_ call: Call, isCopy: Bool) async throws {
    let bytes = call.request.encoded
    ledger.serverSaw(bytes)
    guard !server.isDown else {
      if !isCopy { queue.add(.callEnds(call, nil), at: now + pick(100...2_000)) }
      return
    }
    let (request, full, swallowed) = fill(call.request)
    guard case .reply(let reply) = await server.engine.call(full.isEmpty ? bytes : request.encoded) else {
      throw WorldFailure("a device made a malformed call")
    }
    let answer = Self.answer(try Answer(decoding: reply), full: full, swallowed: swallowed)
    guard !isCopy else { return }
    // A server that has just crashed answers at most what it had no time to do.
    if server.isDown || chance(faults.lossAfter) || interceptAnswer?(call.device, call.request, answer) == true {
      note("  … #\(call.work) of \(devices[call.device].name): answer \(Self.describe(answer)) lost")
      return queue.add(.callEnds(call, nil), at: now + pick(500...5_000))
    }
    queue.add(.callEnds(call, answer), at: now + delay())
  }

  /// Frames of short texts are no longer; those of Welcomes are.
  private static let textFrameByteCount = 512

  /// Lets some mailboxes be full: the server is shown a wrong key for them.
  ///
  /// - Returns: also which it says to have taken all the same.
  private func fill(_ request: Request) -> (Request, full: Set<Int>, swallowed: Set<Int>) {
    var full: Set<Int> = []
    var swallowed: Set<Int> = []
    func change(_ recipients: [Recipient], frameByteCount: Int) -> [Recipient] {
      recipients.enumerated().map { index, recipient in
        let isFull = devices.contains {
          fullMailboxes.contains($0.index) && $0.engine?.mailbox(at: server.address.serverKey) == recipient.mailbox
        }
        guard isFull || chance(faults.full) else { return recipient }
        full.insert(index)
        // Texts alone: nobody can notice that a server swallowed a Welcome, but who waits for it.
        if !isFull, frameByteCount <= Self.textFrameByteCount, chance(faults.swallowed) { swallowed.insert(index) }
        return Recipient(mailbox: recipient.mailbox, deliveryKey: Permission(trusted: [UInt8](repeating: 1, count: Permission.byteCount)))
      }
    }
    switch request {
    case .send(let id, let frame, let recipients):
      return (.send(id: id, frame: frame, recipients: change(recipients, frameByteCount: frame.count)), full, swallowed)
    case .append(var append):
      let named = append.recipients
      append.recipients = change(named, frameByteCount: .max)
      for index in full {
        let mailbox = named[index].mailbox
        ledger.lackEntries.formUnion(devices.filter { $0.engine?.mailbox(at: server.address.serverKey) == mailbox }.map(\.index))
      }
      return (.append(append), full, swallowed)
    default: return (request, full, swallowed)
    }
  }

  private static func answer(_ answer: Answer, full: Set<Int>, swallowed: Set<Int>) -> Answer {
    func change(_ answers: [RecipientAnswer]) -> [RecipientAnswer] {
      answers.enumerated().map { full.contains($0) && $1 == .refused ? (swallowed.contains($0) ? .accepted : .full) : $1 }
    }
    return switch answer {
    case .sent(let answers): .sent(change(answers))
    case .appended(let answers): .appended(change(answers))
    default: answer
    }
  }

  private func end(_ call: Call, _ answer: Answer?) throws {
    let device = devices[call.device]
    guard device.incarnation == call.incarnation else { return }
    let answer = device.isOnline ? answer : nil
    note("\(device.name) #\(call.work) \(Self.describe(answer))")
    let now = now
    _ = try operate(device) { (engine) throws(EngineError) in
      try engine.complete(call.work, answer.map { .answer($0) } ?? .failed, now: now)
    }
    pump(device)
  }

  // MARK: Streams

  private func send(_ message: OwnerMessage, on stream: SimulatedStream) {
    guard !stream.isCut else { return }
    stream.lastToServer = max(stream.lastToServer + 1, now + delay())
    queue.add(.toServer(stream: stream.number, message.encoded), at: stream.lastToServer)
  }

  private func perform(_ outputs: [SessionOutput], on stream: SimulatedStream) {
    for output in outputs where !stream.isCut {
      switch output {
      case .send(let bytes):
        stream.lastToDevice = max(stream.lastToDevice + 1, now + delay())
        queue.add(.toDevice(stream: stream.number, bytes), at: stream.lastToDevice)
        if chance(faults.cut) { queue.add(.streamEnds(stream.number), at: stream.lastToDevice + pick(0...20)) }
      case .proved: break
      case .close: queue.add(.streamEnds(stream.number), at: max(stream.lastToDevice + 1, now + delay()))
      }
    }
  }

  private func cut(_ stream: SimulatedStream, noticedByDevice: Bool) {
    guard !stream.isCut else { return }
    stream.isCut = true
    queue.add(.serverNoticesEnd(stream.number), at: now + pick(1...10_000))
    guard noticedByDevice else { return }
    let device = devices[stream.device]
    guard device.stream === stream else { return }
    device.stream = nil
    note("\(device.name) loses its stream")
    let lost = device.unanswered.values.sorted()
    device.unanswered = [:]
    let (now, address) = (now, server.address)
    if stream.hasCaughtUp { _ = try? operate(device) { (engine) throws(EngineError) in try engine.fellBehind(address, now: now) } }
    for id in lost { _ = try? operate(device) { (engine) throws(EngineError) in try engine.complete(id, .failed, now: now) } }
    pump(device)
  }

  private func connect(_ device: SimulatedDevice) async {
    device.isConnecting = false
    guard device.isOnline, device.stream == nil, device.engine != nil else { return }
    guard !server.isDown else {
      device.isConnecting = true
      return queue.add(.connect(device: device.index, incarnation: device.incarnation), at: now + pick(200...1_000))
    }
    lastStream += 1
    let number = lastStream
    let stream = SimulatedStream(
      number: number, device: device.index, incarnation: device.incarnation, session: server.engine.openSession())
    streams[number] = stream
    device.stream = stream
    let wakes = server.wakes
    perform(await stream.session.start { wakes.add(number) }, on: stream)
  }

  private func receive(_ bytes: [UInt8], on stream: SimulatedStream) throws {
    let device = devices[stream.device]
    guard !stream.isCut, device.stream === stream, device.engine != nil else { return }
    let message = try ServerMessage(decoding: bytes)
    let now = now
    let address = server.address
    switch (stream.phase, message) {
    case (.greeting, .hello(let key, let nonce)):
      stream.phase = .attaching
      if let attach = try operate(
        device,
        { (engine) throws(EngineError) in
          try engine.attachMessage(server: address, serverKey: key, nonce: nonce)
        })
      {
        send(attach, on: stream)
      }
    case (.attaching, .attached):
      stream.phase = .attached
      let held = device.heldMessages
      device.heldMessages = []
      for item in held {
        device.unanswered[UInt32(truncatingIfNeeded: item.id)] = item.id
        send(item.message, on: stream)
      }
    case (.attached, .envelope(let cursor, let sealed)):
      stream.isDrained = false
      let done: Void? = try operate(device) { (engine) throws(EngineError) in try engine.receive(sealed: sealed, from: address, now: now) }
      guard done != nil else { return }
      send(.acknowledge(cursor: cursor), on: stream)
    case (.attached, .drained):
      if !stream.hasCaughtUp { _ = try operate(device) { (engine) throws(EngineError) in try engine.caughtUp(with: address, now: now) } }
      stream.hasCaughtUp = true
      stream.isDrained = true
    case (.attached, .done(let id, let outcome)): try answered(id, .done(outcome), device)
    case (.attached, .vouchers(let id, let vouchers)): try answered(id, .vouchers(vouchers), device)
    case (.attached, .issued(let id, let signatures)): try answered(id, .issued(signatures), device)
    default: throw WorldFailure("\(device.name) got \(message) while \(stream.phase)")
    }
    pump(device)
  }

  private func fetchStatements(_ device: SimulatedDevice) {
    for work in device.heldIdentifications {
      queue.add(.statementArrives(device: device.index, incarnation: device.incarnation, work: work), at: now + delay())
    }
    device.heldIdentifications = []
  }

  /// The statement has come, unless the server is away or it is lost.
  private func identified(_ device: SimulatedDevice, _ work: UInt64) throws {
    let isLost = !device.isOnline || server.isDown || chance(faults.lossAfter)
    note("\(device.name) #\(work) statement\(isLost ? " lost" : "")")
    let (now, address, statement) = (now, server.address, try server.statement())
    // Two changes, as in the product: a crash may come in between.
    if !isLost { _ = try operate(device) { (engine) throws(EngineError) in try engine.noteStatement(statement, of: address) } }
    _ = try operate(device) { (engine) throws(EngineError) in try engine.complete(work, isLost ? .failed : .identified, now: now) }
    pump(device)
  }

  private func answered(_ id: UInt32, _ result: WorkResult, _ device: SimulatedDevice) throws {
    guard let work = device.unanswered.removeValue(forKey: id) else { return }
    let now = now
    _ = try operate(device) { (engine) throws(EngineError) in try engine.complete(work, result, now: now) }
  }

  // MARK: Crashes

  private var isServerRestarting = false

  private func serverCrashed() {
    note("the server crashes")
    isServerRestarting = true
    queue.add(.restartServer, at: now + pick(100...3_000))
    for stream in streams.values.sorted(by: { $0.number < $1.number }) where !stream.isCut { cut(stream, noticedByDevice: true) }
  }

  /// Lets a device's disk fail at a coming write.
  package func planCrash(of index: Int, _ plan: DeviceStoreTesting.CrashPlan) { devices[index].store.plan(plan) }

  package func planServerCrash(_ plan: MailboxEngineTesting.CrashPlan) { server.store.plan(plan) }

  /// From now on nothing fails: everybody is there, and what was planned to fail does not.
  package func heal() {
    faults = .none
    if !server.isDown { server.store.plan(nil) }
    for device in devices {
      if device.engine != nil { device.store.plan(nil) }
      if !device.isOnline { queue.add(.online(device.index, true), at: now) }
    }
  }

  // MARK: Events

  private func handle(_ event: WorldEvent) async throws {
    switch event {
    case .callArrives(let call, let isCopy): try await arrive(call, isCopy: isCopy)
    case .callEnds(let call, let answer): try end(call, answer)
    case .statementArrives(let index, let incarnation, let work):
      if devices[index].incarnation == incarnation { try identified(devices[index], work) }
    case .connect(let index, let incarnation):
      if devices[index].incarnation == incarnation { await connect(devices[index]) }
    case .toServer(let number, let bytes):
      guard let stream = streams[number], !stream.isCut else { return }
      ledger.serverSaw(bytes)
      perform(await stream.session.receive(bytes), on: stream)
    case .toDevice(let number, let bytes):
      if let stream = streams[number] { try receive(bytes, on: stream) }
    case .streamEnds(let number):
      if let stream = streams[number] { cut(stream, noticedByDevice: true) }
    case .serverNoticesEnd(let number):
      if let stream = streams.removeValue(forKey: number) { await stream.session.closed() }
    case .serverWakes(let number):
      if let stream = streams[number], !stream.isCut { perform(await stream.session.wake(), on: stream) }
    case .wake(let index, let incarnation):
      guard devices[index].incarnation == incarnation else { return }
      devices[index].wakeTime = nil
      pump(devices[index])
    case .restartDevice(let index): try restart(devices[index])
    case .restartServer:
      note("the server is back")
      isServerRestarting = false
      server.restart()
    case .user(let number): try await onUser?(self, number)
    case .online(let index, let isOnline): set(devices[index], online: isOnline)
    }
  }

  private func restart(_ device: SimulatedDevice) throws {
    guard device.engine == nil else { return }
    device.store.reopen()
    device.store.plan(nil)
    guard let engine = try ConversationEngine.open(store: device.store, random: device.random) else {
      throw WorldFailure("the profile is gone")
    }
    device.engine = engine
    note("\(device.name) is back")
    pump(device)
  }

  private func set(_ device: SimulatedDevice, online isOnline: Bool) {
    guard device.isOnline != isOnline else { return }
    device.isOnline = isOnline
    note("\(device.name) is \(isOnline ? "online" : "offline")")
    guard isOnline else {
      if let stream = device.stream { cut(stream, noticedByDevice: true) }
      return
    }
    let held = device.heldCalls
    device.heldCalls = []
    for call in held where call.incarnation == device.incarnation { start(call) }
    fetchStatements(device)
    pump(device)
  }
}
