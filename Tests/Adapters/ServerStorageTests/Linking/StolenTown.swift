import CryptoSuite
import Foundation
import GRDB
import MailboxEngine

@testable import ServerStorage

/// A town that was lived in and stolen from, twice, with what is true of it.
struct StolenTown {
  static let labels = ["talked", "conversation", "person", "met in the last minute"]

  let model: TrafficModel
  let theft: Theft
  let oldTheft: Theft?
  let names: [StoredName]
  let veil: Secret
  private let cells: [Int64: TrafficTruth.Cell]

  /// The first copy is taken at five in the afternoon of the last day but one; the second a day later, after a busy minute.
  init(_ size: TrafficModel.Size, seed: UInt64, withOldLayout: Bool) async throws {
    let server = try TemporaryServer()
    let store = try server.openStore()
    let old = withOldLayout ? try OldLayout() : nil
    var model = try await TrafficModel(size, seed: seed, store: store, old: old)
    func cut() async throws {
      try await store.truncateLog()
      try old?.truncateLog()
    }
    try await model.live(until: (size.days - 2) * 24 + 17)
    try await cut()
    let first = (try Theft.copy(server), try old.map { try Theft.copy($0.server) })
    model.beginCounting()
    try await model.live(until: (size.days - 1) * 24 + 17)
    try await cut()
    try await model.liveMinute()
    theft = try Theft(before: first.0, after: Theft.copy(server))
    oldTheft = if let old, let before = first.1 { try Theft(before: before, after: Theft.copy(old.server)) } else { nil }
    let places = model.devices.map(\.place)
    names = places.map(\.name)
    veil = try server.directory.keys(creating: false).veil
    cells = model.truth.cells(places)
    self.model = model
    try store.close()
  }

  func truth(_ one: Int, _ other: Int) -> [Bool] {
    [
      model.haveTalked(one, other), model.shareConversation(one, other), model.areOnePerson(one, other), model.haveJustMet(one, other),
    ]
  }

  func mailboxes(withKeys: Bool = false) -> LinkScore {
    MailboxAttack.score(theft, names, veil: withKeys ? veil : nil, labels: Self.labels, truth: truth)
  }

  func oldMailboxes() throws -> LinkScore? { try oldTheft.map { try OldAttack.score($0, names, labels: Self.labels, truth: truth) } }

  /// Pairs of a mailbox and a log that its owner is in, a capability that its owner laid out or took, or a voucher that brought one to the
  /// other.
  func places(_ table: String) throws -> LinkScore {
    let users = model.usersByName
    let things = try (theft.after.records[table] ?? [:]).keys.map { try StoredName(Data($0)) }.sorted()
    return MailboxAttack.score(theft, table, things, names, label: "its mailbox") { users[things[$0]]?.contains($1) ?? false }
  }

  // MARK: Cells

  /// Cells of which the model does not know whose they are; 0, or the truth is not one.
  var strangeCellCount: Int {
    theft.after.fullCells().keys.count { cells[$0] == nil } + theft.before.fullCells().keys.count { cells[$0] == nil }
  }

  /// As `CellAttack.labels`; nil for pairs that are nearer to each other than what is asked.
  func truth(_ one: Int64, _ other: Int64) -> [Bool?] {
    guard let left = cells[one], let right = cells[other] else { return CellAttack.labels.map { _ in nil } }
    if left.copy == right.copy { return [true] + CellAttack.labels.dropFirst().map { _ in nil } }
    let isOneSend = left.send == right.send
    let isOneMailbox = left.device == right.device
    return [
      false, isOneMailbox, isOneSend, isOneSend ? nil : model.truth.conversations[left.send] == model.truth.conversations[right.send],
      isOneMailbox ? nil : model.areOnePerson(left.device, right.device),
      model.isAlwaysAway(left.device) && model.isAlwaysAway(right.device) ? isOneMailbox : nil,
    ]
  }

  func cells(_ population: CellAttack.Population, pairCount: Int, in weaker: WeakerLayout? = nil) -> LinkScore {
    var random = SeededNumbers(SeededRandom(seed: 1))
    return CellAttack(weaker?.theft ?? theft, population).score(pairCount: pairCount, random: &random) { one, other in
      truth(weaker?.numbers[one] ?? one, weaker?.numbers[other] ?? other)
    }
  }

  /// The same cells under numbers that count on for each mailbox, as a store without numbers of its own would have them.
  func withConsecutiveNumbers() throws -> WeakerLayout { try WeakerLayout(theft, cells) }
}

/// The copies of a theft with cells that lie elsewhere.
struct WeakerLayout {
  let theft: Theft
  /// The true number of each cell.
  let numbers: [Int64: Int64]

  fileprivate init(_ theft: Theft, _ cells: [Int64: TrafficTruth.Cell]) throws {
    var numbers: [Int64: Int64] = [:]
    var next: [Int: UInt64] = [:]
    let order = cells.sorted { ($0.value.copy, $0.key) < ($1.value.copy, $1.key) }
    for (number, cell) in order {
      let place = UInt64(cell.device + 1) << 24 | next[cell.device, default: 0]
      next[cell.device, default: 0] += 1
      numbers[CellRows.number(CellRows.day(of: number), place)] = number
    }
    let places = Dictionary(uniqueKeysWithValues: numbers.map { ($0.value, $0.key) })
    func laidOut(_ rows: DatabaseQueue) throws -> Theft.Files {
      let server = try TemporaryServer()
      let queue = try DatabaseQueue(path: server.file("server.sqlite"), configuration: Schema.configuration)
      try queue.write { db in
        try db.execute(sql: "CREATE TABLE envelopes (id INTEGER PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT")
        for row in try rows.read({ try Row.fetchAll($0, sql: "SELECT id, sealed FROM envelopes WHERE length(sealed) > 0") }) {
          let place: Int64? = places[row[0]]
          try db.execute(sql: "INSERT INTO envelopes VALUES (?, ?)", arguments: [place, row[1] as Data])
        }
      }
      try queue.close()
      return (try server.read("server.sqlite"), [])
    }
    self.theft = try Theft(before: laidOut(theft.rowsBefore), after: laidOut(theft.rowsAfter))
    self.numbers = numbers
  }
}
