import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

enum EnvelopeChecks {
  static let all = [
    order, idempotency, deliveryKeys, withdrawnGrants, ownChanges, pages, acknowledgement, countQuota, byteQuota, expiry, wakeRace,
  ]

  static let order = ConformanceCheck("32 concurrent writers leave every mailbox in an order that keeps each writer's own") {
    fixture in
    let samples = Samples()
    let store = fixture.store
    let targets = [try await samples.mailbox(in: store), try await samples.mailbox(in: store)]
    let writerCount = UInt8(32)
    let perWriter = UInt8(12)
    try await withThrowingTaskGroup { group in
      for writer in 0..<writerCount {
        group.addTask {
          for number in 0..<perWriter {
            let copies = targets.map { samples.copy(to: $0, [writer, number]) }
            try requireEqual(
              try await store.append(copies, today: Samples.today), [.accepted, .accepted], "an append is accepted")
          }
        }
      }
      try await group.waitForAll()
    }
    let reopened = try await fixture.reopen()
    for target in targets {
      let envelopes = try await reopened.readAll(target.mailbox)
      try requireEqual(envelopes.count, Int(writerCount) * Int(perWriter), "everything accepted is there")
      try require(
        zip(envelopes, envelopes.dropFirst()).allSatisfy { $0.sequence < $1.sequence }, "sequences grow")
      for writer in 0..<writerCount {
        let numbers = envelopes.filter { $0.sealed.first == writer }.map { $0.sealed[1] }
        try requireEqual(numbers, Array(0..<perWriter), "a writer's own order is kept")
      }
    }
  }

  static let idempotency = ConformanceCheck("a copy whose receipt is known is accepted and not written again") { fixture in
    let samples = Samples()
    let target = try await samples.mailbox(in: fixture.store)
    let other = try await samples.mailbox(in: fixture.store)
    let receipt = samples.name()
    let first = [samples.copy(to: target, [1], receipt: receipt)]
    try requireEqual(try await fixture.store.append(first, today: Samples.today), [.accepted], "the first is accepted")
    let racers = try await withThrowingTaskGroup { group in
      for _ in 0..<8 {
        group.addTask { try await fixture.store.append([samples.copy(to: target, [2], receipt: receipt)], today: Samples.today) }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    try requireEqual(racers.count { $0 == .repeated }, racers.count { $0 != .accepted }, "repetitions are known")
    try requireEqual(racers.map(\.answer), Array(repeating: .accepted, count: 8), "repetitions are accepted")
    let store = try await fixture.reopen()
    try await store.acknowledge(target.mailbox, through: .max)
    let again = [samples.copy(to: target, [3], receipt: receipt), samples.copy(to: other, [4])]
    try requireEqual(try await store.append(again, today: Samples.today), [.repeated, .accepted], "still known")
    try requireEqual(try await store.readAll(target.mailbox), [], "a receipt outlives its envelope")
    try requireEqual(try await store.readAll(other.mailbox).map(\.sealed), [[4]], "others are not concerned")
  }

  static let deliveryKeys = ConformanceCheck("only the current delivery keys of a mailbox are accepted") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let other = try await samples.mailbox(in: store)
    let wrong = [
      DeliveryTarget(mailbox: target.mailbox, deliveryKey: other.deliveryKey),
      DeliveryTarget(mailbox: samples.place(), deliveryKey: target.deliveryKey),
    ]
    try requireEqual(try await store.grants(for: wrong), [nil, nil], "no key for a wrong target")
    try require(try await store.grants(for: [target])[0] != nil, "a key for a right target")
    let copies = [samples.copy(to: wrong[0]), samples.copy(to: target), samples.copy(to: wrong[1])]
    try requireEqual(
      try await store.append(copies, today: Samples.today), [.refused, .accepted, .refused], "answers stand in order")
    let newKey = samples.name()
    try await store.setDeliveryKeys([newKey], of: target.mailbox)
    try await store.setDeliveryKeys([samples.name()], of: samples.place())
    try requireEqual(
      try await store.append([samples.copy(to: target)], today: Samples.today), [.refused], "a replaced key is refused")
    let replaced = DeliveryTarget(mailbox: target.mailbox, deliveryKey: newKey)
    try requireEqual(try await store.append([samples.copy(to: replaced)], today: Samples.today), [.accepted], "the new key")
    try requireEqual(try await store.readAll(target.mailbox).count, 2, "what was accepted stays")
  }

  static let withdrawnGrants = ConformanceCheck("a delivery key that was withdrawn after it was looked up is refused") { fixture in
    let samples = Samples()
    let store = fixture.store
    let first = try await samples.mailbox(in: store)
    let grant = try await store.grants(for: [first])[0]
    try requireEqual(
      try await store.append([samples.copy(to: first, grant: grant)], today: Samples.today), [.accepted], "a grant is good")
    for _ in 0..<25 {
      let target = try await samples.mailbox(in: store)
      // Looked up before, after and while the key is withdrawn.
      let grants = try await withThrowingTaskGroup(of: [DeliveryGrant?].self) { group in
        for _ in 0..<4 { group.addTask { try await store.grants(for: [target]) } }
        group.addTask {
          try await store.setDeliveryKeys([samples.name()], of: target.mailbox)
          return []
        }
        for _ in 0..<4 { group.addTask { try await store.grants(for: [target]) } }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      for grant in grants where grant != nil {
        try requireEqual(
          try await store.append([samples.copy(to: target, grant: grant)], today: Samples.today), [.refused], "it is no good any more")
      }
    }
  }

  static let ownChanges = ConformanceCheck("whoever has changed something finds it changed, however many ask at once") { fixture in
    let samples = Samples()
    let store = fixture.store
    try await withThrowingTaskGroup { group in
      for _ in 0..<24 {
        let target = try await samples.mailbox(in: store)
        group.addTask {
          var old = target
          for _ in 0..<10 {
            let new = DeliveryTarget(mailbox: target.mailbox, deliveryKey: samples.name())
            try await store.setDeliveryKeys([new.deliveryKey], of: target.mailbox)
            let found = try await store.grants(for: [old, new]).map { $0 != nil }
            try requireEqual(found, [false, true], "the new key is good, and the old one is not")
            old = new
          }
        }
      }
      try await group.waitForAll()
    }
  }

  static let pages = ConformanceCheck("a page holds its count and bytes, and one envelope at least") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    for size in [10, 20, 30, 5] {
      _ = try await store.append([samples.copy(to: target, Array(repeating: 1, count: size))], today: Samples.today)
    }
    func sizes(_ count: Int, _ byteCount: Int, after sequence: UInt64 = 0) async throws -> [Int] {
      let page = PageLimit(count: count, byteCount: byteCount)
      return try await store.read(target.mailbox, after: sequence, page: page, today: Samples.today).map(\.sealed.count)
    }
    try requireEqual(try await sizes(2, 1_000), [10, 20], "the count bounds")
    try requireEqual(try await sizes(9, 30), [10, 20], "the bytes bound")
    try requireEqual(try await sizes(9, 1), [10], "one comes at least")
    let all = try await store.readAll(target.mailbox)
    try requireEqual(try await sizes(9, 1_000, after: all[1].sequence), [30, 5], "reading goes on after a sequence")
    try requireEqual(try await sizes(9, 1_000, after: .max), [], "nothing is behind the end")
  }

  static let acknowledgement = ConformanceCheck("acknowledging deletes up to a sequence, and again nothing") { fixture in
    let samples = Samples()
    let target = try await samples.mailbox(in: fixture.store)
    for number in UInt8(0)..<5 {
      _ = try await fixture.store.append([samples.copy(to: target, [number])], today: Samples.today)
    }
    let all = try await fixture.store.readAll(target.mailbox)
    try await fixture.store.acknowledge(target.mailbox, through: all[2].sequence)
    try await fixture.store.acknowledge(target.mailbox, through: all[1].sequence)
    let store = try await fixture.reopen()
    try requireEqual(try await store.readAll(target.mailbox), Array(all[3...]), "the rest stays")
    try await store.acknowledge(target.mailbox, through: .max)
    _ = try await store.append([samples.copy(to: target, [9])], today: Samples.today)
    let last = try await store.readAll(target.mailbox)
    try requireEqual(last.map(\.sealed), [[9]], "new ones come")
    try require(last[0].sequence > all[4].sequence, "no sequence is given twice")
  }

  static let countQuota = ConformanceCheck("a mailbox is full at 10,000 envelopes, until some are acknowledged") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    for _ in 0..<20 {
      let answers = try await store.append(
        (0..<Limits.mailboxEnvelopeCount / 20).map { _ in samples.copy(to: target, [1]) }, today: Samples.today)
      try require(answers.allSatisfy { $0 == .accepted }, "there is room")
    }
    try requireEqual(try await store.append([samples.copy(to: target)], today: Samples.today), [.full], "one too many")
    let first = try await store.read(
      target.mailbox, after: 0, page: PageLimit(count: 1, byteCount: 1), today: Samples.today)
    try await store.acknowledge(target.mailbox, through: first[0].sequence)
    let two = [samples.copy(to: target), samples.copy(to: target)]
    try requireEqual(try await store.append(two, today: Samples.today), [.accepted, .full], "room for one")
  }

  static let byteQuota = ConformanceCheck("a mailbox is full at 64 MiB, and another is not") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let other = try await samples.mailbox(in: store)
    let half = [UInt8](repeating: 1, count: Limits.mailboxByteCount / 8)
    for _ in 0..<8 {
      try requireEqual(
        try await store.append([samples.copy(to: target, half)], today: Samples.today), [.accepted], "there is room")
    }
    let copies = [samples.copy(to: target, [1]), samples.copy(to: other, [1])]
    try requireEqual(try await store.append(copies, today: Samples.today), [.full, .accepted], "full for itself only")
  }

  static let expiry = ConformanceCheck("what has expired is hidden at once, and deleted by the sweep") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let tomorrow = Samples.today.adding(1)
    let receipt = samples.name()
    let big = [UInt8](repeating: 1, count: Limits.mailboxByteCount - 1)
    _ = try await store.append([samples.copy(to: target, big, receipt: receipt, expires: tomorrow)], today: Samples.today)
    _ = try await store.append([samples.copy(to: target, [2])], today: Samples.today)
    try requireEqual(try await store.readAll(target.mailbox).count, 2, "both wait")
    try requireEqual(try await store.readAll(target.mailbox, today: tomorrow).map(\.sealed), [[2]], "one is hidden")
    try requireEqual(try await store.append([samples.copy(to: target)], today: tomorrow), [.full], "hidden is not deleted")
    try await store.expire(today: Samples.today)
    try requireEqual(try await store.readAll(target.mailbox).count, 2, "nothing is deleted before its day")
    try await store.expire(today: tomorrow)
    try requireEqual(try await store.readAll(target.mailbox).map(\.sealed), [[2]], "it is deleted")
    let again = [samples.copy(to: target, [3], receipt: receipt)]
    try requireEqual(try await store.append(again, today: tomorrow), [.accepted], "its room is free, its receipt gone")
    let reopened = try await fixture.reopen()
    try requireEqual(try await reopened.readAll(target.mailbox).map(\.sealed), [[2], [3]], "and so it stays")
  }

  static let wakeRace = ConformanceCheck("an envelope that is appended while its reader attaches is not missed") { fixture in
    for round in UInt64(0)..<8 {
      let server = try EngineFixture(store: fixture.store, seed: 1_000 + round)
      let key = Permission.random(using: server.random)
      let mailbox = try await server.makeMailbox(deliveryKeys: [key])
      let stream = TestStream(server.engine.openSession(), mailbox: mailbox, acknowledging: true)
      let frames = (0..<16).map { server.frame("\($0)") }
      try await withThrowingTaskGroup { group in
        for frame in frames {
          group.addTask {
            let send = Request.send(
              id: .random(using: server.random), frame: frame, recipients: [mailbox.recipient(key)])
            try requireEqual(try await server.call(send), .sent([.accepted]), "a send is accepted")
          }
        }
        group.addTask { try await stream.attach() }
        try await group.waitForAll()
      }
      try await stream.runWakes()
      try requireEqual(Set(try await stream.frames()), Set(frames), "everything arrives without a rescan")
      try requireEqual(try await stream.frames().count, frames.count, "and once")
      await stream.close()
    }
  }
}
