public import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

/// A store of objects that a check may open again; it has room for `ObjectCheck.quota` bytes.
public struct ObjectFixture: Sendable {
  public let store: any ObjectStore
  public let reopen: @Sendable () async throws -> any ObjectStore

  public init(store: any ObjectStore, reopen: @escaping @Sendable () async throws -> any ObjectStore) {
    self.store = store
    self.reopen = reopen
  }
}

/// One promise of every store of objects, and how it is tried.
public struct ObjectCheck: Sendable, CustomStringConvertible {
  /// What the stores under test have room for.
  public static let quota: UInt64 = 1 << 20

  /// A sentence.
  public let description: String
  private let body: @Sendable (ObjectFixture) async throws -> Void

  init(_ description: String, _ body: @escaping @Sendable (ObjectFixture) async throws -> Void) {
    self.description = description
    self.body = body
  }

  /// - Throws: `BrokenPromise`, or what the store throws.
  public func run(_ fixture: ObjectFixture) async throws { try await body(fixture) }

  public static let all = [pieces, resumption, secrecy, bounds, room, deletion, expiry, unfinished, touched, neighbours]

  private static let today = Day(number: 20_000)
  private static func name(_ number: UInt8) -> StoredName { StoredName(trusted: Array(repeating: number, count: 32)) }
  private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

  private static func put(_ bytes: [UInt8], as name: StoredName, in store: any ObjectStore, days: UInt8 = 30) async throws {
    _ = try await store.create(NewObject(name: name, byteCount: UInt64(bytes.count), days: days), today: today)
    _ = try await store.write(bytes, to: name, at: 0, today: today)
    try requireEqual(
      try await store.finish(name, today: today), .stands(ObjectState(byteCount: UInt64(bytes.count), isFinished: true)), "finished")
  }

  static let pieces = ObjectCheck("what was written in pieces is read in any pieces, also after a restart") { fixture in
    let all = bytes(1_000)
    try requireEqual(
      try await fixture.store.create(NewObject(name: name(1), byteCount: 1_000, days: 30), today: today),
      .made, "made")
    for start in stride(from: 0, to: 1_000, by: 300) {
      let end = min(start + 300, 1_000)
      try requireEqual(
        try await fixture.store.write(Array(all[start..<end]), to: name(1), at: UInt64(start), today: today),
        .stands(ObjectState(byteCount: UInt64(end), isFinished: false)), "written")
    }
    _ = try await fixture.store.finish(name(1), today: today)
    let store = try await fixture.reopen()
    for (offset, count) in [(0, 1_000), (0, 1), (999, 1), (999, 50), (500, 100), (0, 5_000)] {
      try requireEqual(
        try await store.read(name(1), at: UInt64(offset), count: count, today: today), Array(all[offset...].prefix(count)), "read")
    }
    for offset in [1_000, 1_001, UInt64.max] {
      try requireEqual(try await store.read(name(1), at: offset, count: 10, today: today), [], "nothing is behind the end")
    }
  }

  static let resumption = ObjectCheck("writing goes on where it ended, and a repeated piece changes nothing") { fixture in
    let all = bytes(900)
    _ = try await fixture.store.create(NewObject(name: name(1), byteCount: 900, days: 30), today: today)
    _ = try await fixture.store.write(Array(all[..<400]), to: name(1), at: 0, today: today)
    let store = try await fixture.reopen()
    let state = ObjectState(byteCount: 400, isFinished: false)
    try requireEqual(try await store.state(of: name(1), today: today), state, "what was answered is there")
    try requireEqual(
      try await store.create(NewObject(name: name(1), byteCount: 900, days: 30), today: today), .stands(state), "made once")
    try requireEqual(
      try await store.write(Array(all[500...]), to: name(1), at: 500, today: today), .stands(state), "no gaps")
    try requireEqual(try await store.finish(name(1), today: today), .stands(state), "not finished before its time")
    for _ in 0..<2 {
      try requireEqual(
        try await store.write(Array(all[300...]), to: name(1), at: 300, today: today),
        .stands(ObjectState(byteCount: 900, isFinished: false)), "over the end")
    }
    for _ in 0..<2 {
      try requireEqual(
        try await store.finish(name(1), today: today), .stands(ObjectState(byteCount: 900, isFinished: true)), "finished")
    }
    try requireEqual(try await store.read(name(1), at: 0, count: 900, today: today), all, "all of it")
  }

  static let secrecy = ObjectCheck("what is not there, or not finished, cannot be read") { fixture in
    _ = try await fixture.store.create(NewObject(name: name(1), byteCount: 10, days: 30), today: today)
    _ = try await fixture.store.write(bytes(10), to: name(1), at: 0, today: today)
    try requireEqual(try await fixture.store.read(name(1), at: 0, count: 10, today: today), nil, "not finished")
    try requireEqual(try await fixture.store.read(name(2), at: 0, count: 10, today: today), nil, "not there")
    try requireEqual(try await fixture.store.state(of: name(2), today: today), nil, "not there")
    try requireEqual(try await fixture.store.write([1], to: name(2), at: 0, today: today), .refused, "not there")
    try requireEqual(try await fixture.store.finish(name(2), today: today), .refused, "not there")
    try requireEqual(try await fixture.store.delete(name(2), today: today), false, "not there")
  }

  static let bounds = ObjectCheck("a finished object is not changed, and none grows beyond what was announced") { fixture in
    _ = try await fixture.store.create(NewObject(name: name(1), byteCount: 10, days: 30), today: today)
    try requireEqual(try await fixture.store.write(bytes(11), to: name(1), at: 0, today: today), .refused, "too much")
    _ = try await fixture.store.write(bytes(10), to: name(1), at: 0, today: today)
    try requireEqual(try await fixture.store.write([1], to: name(1), at: 10, today: today), .refused, "too much")
    _ = try await fixture.store.finish(name(1), today: today)
    try requireEqual(try await fixture.store.write([9], to: name(1), at: 0, today: today), .refused, "finished")
    try requireEqual(try await fixture.store.read(name(1), at: 0, count: 10, today: today), bytes(10), "unchanged")
  }

  static let room = ObjectCheck("no more is kept than there is room for, and what is deleted makes room") { fixture in
    let half = Int(quota / 2)
    try await put(bytes(half), as: name(1), in: fixture.store)
    let store = try await fixture.reopen()
    try requireEqual(try await store.hasRoom(for: quota), false, "a half is taken")
    try requireEqual(
      try await store.create(NewObject(name: name(2), byteCount: quota, days: 1), today: today), .overQuota, "announced")
    // Two that fit each, and not both: the first has its room from the beginning, and the second is told at once.
    let third = bytes(Int(quota / 3))
    func create(_ number: UInt8) async throws -> ObjectCreation {
      try await store.create(NewObject(name: name(number), byteCount: quota / 3, days: 1), today: today)
    }
    try requireEqual(try await create(3), .made, "fits")
    try requireEqual(try await create(4), .overQuota, "the room is promised to another")
    try requireEqual(
      try await store.write(third, to: name(3), at: 0, today: today),
      .stands(ObjectState(byteCount: UInt64(third.count), isFinished: false)), "what was begun can be ended")
    let again = try await fixture.reopen()
    try requireEqual(try await again.hasRoom(for: quota / 3), false, "also after a restart")
    try requireEqual(try await again.delete(name(1), today: today), true, "deleted")
    try requireEqual(
      try await again.create(NewObject(name: name(4), byteCount: quota / 3, days: 1), today: today), .made, "room again")
  }

  static let deletion = ObjectCheck("what is deleted is gone, finished or not") { fixture in
    try await put(bytes(100), as: name(1), in: fixture.store)
    _ = try await fixture.store.create(NewObject(name: name(2), byteCount: 10, days: 30), today: today)
    for number: UInt8 in [1, 2] {
      try requireEqual(try await fixture.store.delete(name(number), today: today), true, "there")
      let store = try await fixture.reopen()
      try requireEqual(try await store.delete(name(number), today: today), false, "gone")
      try requireEqual(try await store.state(of: name(number), today: today), nil, "gone")
    }
  }

  static let expiry = ObjectCheck("an object is hidden on its day and deleted after it, and others stay") { fixture in
    try await put(bytes(Int(quota / 2)), as: name(1), in: fixture.store, days: 3)
    try await put(bytes(100), as: name(2), in: fixture.store, days: 30)
    for distance: UInt32 in 0..<3 {
      try await fixture.store.expire(today: today.adding(distance))
      try requireEqual(try await fixture.store.read(name(1), at: 0, count: 1, today: today.adding(distance)), [0], "kept")
    }
    let day = today.adding(3)
    try requireEqual(try await fixture.store.read(name(1), at: 0, count: 1, today: day), nil, "hidden")
    let store = try await fixture.reopen()
    try await store.expire(today: day)
    try await store.expire(today: day)
    // Also for a clock that goes back: it is gone, and not only hidden.
    try requireEqual(try await store.read(name(1), at: 0, count: 1, today: today), nil, "deleted")
    try requireEqual(try await store.hasRoom(for: quota / 2 + 1_000), true, "its room is free")
    try requireEqual(try await store.read(name(2), at: 99, count: 1, today: day), Array(bytes(100).suffix(1)), "the other stays")
    try requireEqual(try await store.read(name(2), at: 99, count: 1, today: today.adding(29)), Array(bytes(100).suffix(1)), "its last day")
    try requireEqual(try await store.read(name(2), at: 0, count: 1, today: today.adding(30)), nil, "over")
  }

  static let unfinished = ObjectCheck("an upload that nobody goes on with is deleted after a day, and one that goes on is not") { fixture in
    for number: UInt8 in [1, 2] {
      _ = try await fixture.store.create(NewObject(name: name(number), byteCount: 100, days: 30), today: today)
      _ = try await fixture.store.write(bytes(10), to: name(number), at: 0, today: today)
    }
    let next = today.adding(1)
    try await fixture.store.expire(today: next)
    try requireEqual(
      try await fixture.store.write(bytes(10), to: name(1), at: 10, today: next),
      .stands(ObjectState(byteCount: 20, isFinished: false)), "goes on")
    let store = try await fixture.reopen()
    let third = today.adding(2)
    try await store.expire(today: third)
    try requireEqual(try await store.state(of: name(2), today: third), nil, "given up")
    try requireEqual(try await store.state(of: name(1), today: third), ObjectState(byteCount: 20, isFinished: false), "goes on")
    try requireEqual(try await store.state(of: name(1), today: today.adding(3)), nil, "given up too")
  }

  static let touched = ObjectCheck("an upload that does not grow is not kept by being written to, and none for ever") { fixture in
    let store = fixture.store
    for number: UInt8 in [1, 2] {
      _ = try await store.create(NewObject(name: name(number), byteCount: 100, days: 30), today: today)
      _ = try await store.write(bytes(10), to: name(number), at: 0, today: today)
    }
    let next = today.adding(1)
    try requireEqual(
      try await store.write(bytes(10), to: name(1), at: 0, today: next), .stands(ObjectState(byteCount: 10, isFinished: false)), "the same")
    try requireEqual(try await store.state(of: name(1), today: today.adding(2)), nil, "it did not grow")
    let last = today.adding(ServerLimits.unfinishedObjectLifeDays)
    var day = next
    var count: UInt64 = 10
    while day < last {
      count += 1
      try requireEqual(
        try await store.write([9], to: name(2), at: count - 1, today: day), .stands(ObjectState(byteCount: count, isFinished: false)),
        "a byte a day")
      day = day.adding(1)
    }
    try requireEqual(try await store.state(of: name(2), today: last), nil, "its time is over")
    let reopened = try await fixture.reopen()
    try await reopened.expire(today: last)
    try requireEqual(try await reopened.hasRoom(for: quota - 100), true, "its room is free")
  }

  static let neighbours = ObjectCheck("objects that are written at the same time keep apart") { fixture in
    try await withThrowingTaskGroup { group in
      for number: UInt8 in 1...16 {
        group.addTask {
          _ = try await fixture.store.create(NewObject(name: name(number), byteCount: 4_096, days: 30), today: today)
          for piece: UInt64 in 0..<8 {
            let bytes = [UInt8](repeating: number, count: 512)
            _ = try await fixture.store.write(bytes, to: name(number), at: piece * 512, today: today)
          }
          _ = try await fixture.store.finish(name(number), today: today)
        }
      }
      try await group.waitForAll()
    }
    let store = try await fixture.reopen()
    for number: UInt8 in 1...16 {
      try requireEqual(
        try await store.read(name(number), at: 0, count: 5_000, today: today), [UInt8](repeating: number, count: 4_096), "its own")
    }
  }
}
