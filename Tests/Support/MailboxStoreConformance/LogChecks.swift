import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

enum LogChecks {
  static let all = [slotRace, duplicates, fanOut, writeKeys, rotations, creation, reading, expiry, bounds]

  static let slotRace = ConformanceCheck("16 racers put one entry into each slot") { fixture in
    let samples = Samples()
    let log = try await samples.log(in: fixture.store)
    let winners = try await withThrowingTaskGroup { group in
      for racer in UInt8(0)..<16 {
        group.addTask {
          var wins: [UInt64: [UInt8]] = [:]
          for slot in UInt64(0)..<8 {
            let entry = [racer, UInt8(slot)]
            switch try await fixture.store.append(samples.append(to: log, slot: slot, entry), today: Samples.today) {
            case .appended: wins[slot] = entry
            case .conflict(let nextSlot): try require(nextSlot != slot, "a conflict names another slot")
            default: throw BrokenPromise(description: "an append wins or conflicts")
            }
          }
          return wins
        }
      }
      return try await group.reduce(into: [UInt64: [[UInt8]]]()) { sum, wins in
        for (slot, entry) in wins { sum[slot, default: []].append(entry) }
      }
    }
    try require(winners.values.allSatisfy { $0.count == 1 }, "one wins each slot")
    let store = try await fixture.reopen()
    let page = try await store.readLog(log.place, from: 0, page: PageLimit(count: 99, byteCount: 1 << 20), today: Samples.today)
    try requireEqual(page?.nextSlot, UInt64(winners.count), "slots have no gaps")
    try requireEqual(page?.entries.map(\.slot), Array(0..<UInt64(winners.count)), "they come in order")
    for entry in page?.entries ?? [] { try requireEqual(winners[entry.slot], [entry.frame], "the winner stands") }
  }

  static let duplicates = ConformanceCheck("an entry that stands in its slot is a duplicate, whatever the keys are by now") {
    fixture in
    let samples = Samples()
    let log = try await samples.log(in: fixture.store)
    let target = try await samples.mailbox(in: fixture.store)
    let rotation = StoredRotation(
      writeKey: samples.name(), administrators: [samples.name()], signer: log.administrators[1])
    let append = samples.append(to: log, slot: 0, [1], rotation: rotation, copies: [samples.copy(to: target)])
    try requireEqual(try await fixture.store.append(append, today: Samples.today), .appended([.accepted]), "appended")
    let store = try await fixture.reopen()
    try requireEqual(try await store.append(append, today: Samples.today), .duplicate, "the repetition is known")
    try requireEqual(try await store.readAll(target.mailbox).count, 1, "and delivers nothing")
    let other = samples.append(to: log, slot: 0, [2])
    try requireEqual(try await store.append(other, today: Samples.today), .refused, "another entry needs the key")
    let keyed = samples.append(to: log, slot: 0, [2], writeKey: rotation.writeKey)
    try requireEqual(try await store.append(keyed, today: Samples.today), .conflict(nextSlot: 1), "and conflicts")
  }

  static let fanOut = ConformanceCheck("an entry and its copies are there together or not at all") { fixture in
    let samples = Samples()
    let store = fixture.store
    let log = try await samples.log(in: store)
    let targets = [try await samples.mailbox(in: store), try await samples.mailbox(in: store)]
    let stranger = DeliveryTarget(mailbox: samples.place(), deliveryKey: samples.name())
    let copies = [samples.copy(to: targets[0]), samples.copy(to: stranger), samples.copy(to: targets[1])]
    let append = samples.append(to: log, slot: 0, [1], groupInfo: [7, 7], copies: copies)
    try requireEqual(
      try await store.append(append, today: Samples.today), .appended([.accepted, .refused, .accepted]), "one refused")
    for (slot, writeKey, expected) in [
      (UInt64(0), log.writeKey, AppendOutcome.conflict(nextSlot: 1)), (2, log.writeKey, .conflict(nextSlot: 1)),
      (.max, log.writeKey, .conflict(nextSlot: 1)), (1, samples.name(), .refused),
    ] {
      let losing = samples.append(to: log, slot: slot, [9], writeKey: writeKey, groupInfo: [8], copies: copies)
      try requireEqual(try await store.append(losing, today: Samples.today), expected, "it loses")
    }
    for target in targets { try requireEqual(try await store.readAll(target.mailbox).count, 1, "only the first delivers") }
    try requireEqual(try await store.groupInfo(log.place), [7, 7], "only the first has a GroupInfo")
    let next = samples.append(to: log, slot: 1, [2])
    try requireEqual(try await store.append(next, today: Samples.today), .appended([]), "the next slot")
    try requireEqual(try await store.groupInfo(log.place), [7, 7], "an empty GroupInfo leaves the old one")
    try requireEqual(try await store.groupInfo(samples.place()), nil, "no such log")
  }

  static let writeKeys = ConformanceCheck("only a rotation by an administrator changes the keys of a log") { fixture in
    let samples = Samples()
    let store = fixture.store
    let log = try await samples.log(in: store)
    let foreign = StoredRotation(writeKey: samples.name(), administrators: [samples.name()], signer: samples.name())
    let stolen = samples.append(to: log, slot: 0, [1], rotation: foreign)
    try requireEqual(try await store.append(stolen, today: Samples.today), .refused, "not an administrator")
    let garbage = samples.append(to: log, slot: 0, [2])
    try requireEqual(try await store.append(garbage, today: Samples.today), .appended([]), "who may write, may write garbage")
    try requireEqual(
      try await store.append(samples.append(to: log, slot: 1, [3]), today: Samples.today), .appended([]),
      "and that changes no key")
    let good = StoredRotation(
      writeKey: samples.name(), administrators: [log.administrators[0]], signer: log.administrators[0])
    let removal = samples.append(to: log, slot: 2, [4], rotation: good)
    try requireEqual(try await store.append(removal, today: Samples.today), .appended([]), "an administrator's")
    try requireEqual(
      try await store.append(samples.append(to: log, slot: 3, [5]), today: Samples.today), .refused, "the old write key")
    let byRemoved = StoredRotation(writeKey: log.writeKey, administrators: [], signer: log.administrators[1])
    let late = samples.append(to: log, slot: 3, [5], writeKey: good.writeKey, rotation: byRemoved)
    try requireEqual(try await store.append(late, today: Samples.today), .refused, "a former administrator's")
    let next = samples.append(to: log, slot: 3, [5], writeKey: good.writeKey)
    try requireEqual(try await store.append(next, today: Samples.today), .appended([]), "the new write key")
  }

  static let rotations = ConformanceCheck("a rotation without an entry counts once for its slot") { fixture in
    let samples = Samples()
    let store = fixture.store
    let log = try await samples.log(in: store)
    let admins = log.administrators
    let first = StoredRotation(writeKey: samples.name(), administrators: admins, signer: admins[0])
    let second = StoredRotation(writeKey: samples.name(), administrators: admins, signer: admins[1])
    let (firstID, secondID) = (samples.name(), samples.name())
    func rotate(_ rotation: StoredRotation, _ identifier: StoredName, slot: UInt64 = 0) async throws -> RotateOutcome {
      try await store.rotate(log.place, slot: slot, rotation: rotation, identifier: identifier)
    }
    try requireEqual(try await rotate(first, firstID, slot: 1), .conflict(nextSlot: 0), "another slot")
    try requireEqual(try await rotate(first, firstID), .rotated, "the first")
    try requireEqual(try await rotate(second, secondID), .rotated, "the second")
    try requireEqual(try await rotate(first, firstID), .rotated, "a repetition is no error")
    let old = samples.append(to: log, slot: 0, [1], writeKey: first.writeKey)
    try requireEqual(try await store.append(old, today: Samples.today), .refused, "and has no second effect")
    let foreign = StoredRotation(writeKey: samples.name(), administrators: [], signer: samples.name())
    try requireEqual(try await rotate(foreign, samples.name()), .refused, "not an administrator")
    let next = samples.append(to: log, slot: 0, [1], writeKey: second.writeKey)
    try requireEqual(try await store.append(next, today: Samples.today), .appended([]), "the second's key")
    try requireEqual(try await rotate(first, firstID), .conflict(nextSlot: 1), "its slot has passed")
    let unknown = try await store.rotate(samples.place(), slot: 0, rotation: first, identifier: firstID)
    try requireEqual(unknown, .refused, "no such log")
  }

  static let bounds = ConformanceCheck("a log takes no more than its bytes, until entries expire") { fixture in
    let samples = Samples()
    var store = fixture.store
    let log = try await samples.log(in: store)
    let entry = [UInt8](repeating: 7, count: Limits.frameByteCount)
    let count = UInt64(ServerLimits.logByteCount / entry.count)
    for slot in 0..<count {
      // The first half is gone a day earlier.
      let expires = slot < count / 2 ? Samples.today.adding(1) : Samples.expires
      let outcome = try await store.append(samples.append(to: log, slot: slot, entry, expires: expires), today: Samples.today)
      try requireEqual(outcome, .appended([]), "within")
    }
    store = try await fixture.reopen()
    let next = samples.append(to: log, slot: count, [1])
    try requireEqual(try await store.append(next, today: Samples.today), .full, "not a byte more")
    let repeated = samples.append(to: log, slot: count - 1, entry)
    try requireEqual(try await store.append(repeated, today: Samples.today), .duplicate, "what stands is known")
    let elsewhere = samples.append(to: log, slot: 3, [1])
    try requireEqual(try await store.append(elsewhere, today: Samples.today), .conflict(nextSlot: count), "a conflict is one")
    try requireEqual(try await store.append(next, today: Samples.today.adding(1)), .appended([]), "there is room when entries expire")
  }

  static let creation = ConformanceCheck("a log is made once, and the same request is answered alike for ever") { fixture in
    let samples = Samples()
    let store = fixture.store
    let log = try await samples.log(in: store)
    let rotation = StoredRotation(writeKey: samples.name(), administrators: [samples.name()], signer: log.administrators[0])
    _ = try await store.append(samples.append(to: log, slot: 0, [1], rotation: rotation), today: Samples.today)
    try requireEqual(try await store.createLog(log, today: Samples.today), .done, "the same request")
    var other = log
    other.creation = samples.name()
    other.writeKey = samples.name()
    try requireEqual(try await store.createLog(other, today: Samples.today), .refused, "another request")
    try requireEqual(
      try await store.append(samples.append(to: other, slot: 1, [1]), today: Samples.today), .refused,
      "neither has changed the keys")
  }

  static let reading = ConformanceCheck("a log is read from any slot, page by page") { fixture in
    let samples = Samples()
    let store = fixture.store
    let log = try await samples.log(in: store)
    func read(_ slot: UInt64, _ count: Int, _ byteCount: Int) async throws -> LogPage? {
      try await store.readLog(
        log.place, from: slot, page: PageLimit(count: count, byteCount: byteCount), today: Samples.today)
    }
    try requireEqual(try await read(0, 9, 999), LogPage(firstSlot: 0, nextSlot: 0, entries: []), "an empty log")
    for slot in UInt64(0)..<5 {
      _ = try await store.append(
        samples.append(to: log, slot: slot, [UInt8](repeating: UInt8(slot), count: 20)), today: Samples.today)
    }
    try requireEqual(try await read(1, 2, 999)?.entries.map(\.slot), [1, 2], "the count bounds")
    let twoEntries = 2 * (20 + LogPage.entryOverheadByteCount)
    try requireEqual(try await read(0, 9, twoEntries)?.entries.map(\.slot), [0, 1], "the bytes bound")
    try requireEqual(try await read(3, 9, 1)?.entries.map(\.slot), [3], "one comes at least")
    try requireEqual(try await read(5, 9, 999), LogPage(firstSlot: 0, nextSlot: 5, entries: []), "at the end")
    try requireEqual(try await read(.max, 9, 999), LogPage(firstSlot: 0, nextSlot: 5, entries: []), "behind the end")
    let none = try await store.readLog(
      samples.place(), from: 0, page: PageLimit(count: 1, byteCount: 1), today: Samples.today)
    try requireEqual(none, nil, "no such log")
  }

  static let expiry = ConformanceCheck("an expired entry is hidden, then deleted, and its slot stays taken") { fixture in
    let samples = Samples()
    let log = try await samples.log(in: fixture.store)
    let day = Samples.today.adding(4)
    let first = samples.append(to: log, slot: 0, [1], expires: day)
    _ = try await fixture.store.append(first, today: Samples.today)
    _ = try await fixture.store.append(samples.append(to: log, slot: 1, [2]), today: Samples.today)
    func page(_ store: any MailboxStore, _ today: Day) async throws -> LogPage? {
      try await store.readLog(log.place, from: 0, page: PageLimit(count: 9, byteCount: 999), today: today)
    }
    let rest = LogPage(firstSlot: 1, nextSlot: 2, entries: [LogEntry(slot: 1, frame: [2])])
    try requireEqual(try await page(fixture.store, day), rest, "hidden")
    try requireEqual(try await page(fixture.store, Samples.today)?.entries.count, 2, "not deleted yet")
    try await fixture.store.expire(today: day)
    let store = try await fixture.reopen()
    try requireEqual(try await page(store, Samples.today), rest, "deleted")
    try requireEqual(try await store.append(first, today: day), .conflict(nextSlot: 2), "the slot stays taken")
  }
}
