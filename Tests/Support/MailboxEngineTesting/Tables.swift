import MailboxEngine
import SottoProtocol

/// The rows of a server's store, and what each operation does to them.
struct Tables: Sendable {
  struct Mailbox: Sendable {
    var ownerKey: PublicKey32
    var sealKey: PublicKey32
    var lastSequence: UInt64 = 0
    var waitingCount = 0
    var waitingByteCount = 0
    var usedVouchers = 0
    var usedTokens = 0
    var usedBlobs = 0
  }

  struct Voucher: Sendable {
    var expires: Day
    /// What it was used for.
    var batch: StoredName?
  }

  struct Waiting: Sendable {
    var sequence: UInt64
    var expires: Day
    var sealed: [UInt8]
  }

  struct Blob: Sendable {
    var name: StoredName
    var publisher: StoredName
    var expires: Day
    /// Who has taken it.
    var claimer: StoredName?
    /// Empty once it was withdrawn.
    var bytes: [UInt8]
  }

  struct Log: Sendable {
    var writeKey: StoredName
    var administrators: [StoredName]
    var creation: StoredName
    var nextSlot: UInt64 = 0
    var groupInfo: [UInt8] = []
    /// Rotations without an entry since the last one.
    var rotations: [StoredName] = []
  }

  struct Entry: Sendable {
    var slot: UInt64
    var expires: Day
    var frame: [UInt8]
  }

  var mailboxes: [StoredName: Mailbox] = [:]
  var deliveryKeys: [StoredName: Set<StoredName>] = [:]
  var envelopes: [StoredName: [Waiting]] = [:]
  var receipts: [StoredName: Day] = [:]
  var vouchers: [StoredName: Voucher] = [:]
  var spentTokens: [StoredName: Day] = [:]
  var blobs: [StoredName: [Blob]] = [:]
  var logs: [StoredName: Log] = [:]
  var entries: [StoredName: [Entry]] = [:]
  var quotaEnds: Day?
  /// Rows written or deleted since the beginning.
  var rowWrites = 0

  // MARK: Registration

  mutating func addVouchers(_ names: [StoredName], expires: Day) {
    for name in names { vouchers[name] = Voucher(expires: expires) }
    rowWrites += names.count
  }

  mutating func withdrawVoucher(_ name: StoredName, today: Day) -> VoucherWithdrawal {
    guard let voucher = vouchers[name], voucher.expires > today else { return .unknown }
    guard voucher.batch == nil else { return .used }
    vouchers[name] = nil
    rowWrites += 1
    return .withdrawn
  }

  mutating func issueVouchers(_ names: [StoredName], expires: Day, for name: StoredName, quota: Int) -> OwnerOutcome {
    guard var mailbox = mailboxes[name] else { return .refused }
    guard mailbox.usedVouchers + names.count <= quota else { return .overQuota }
    mailbox.usedVouchers += names.count
    mailboxes[name] = mailbox
    rowWrites += 1
    addVouchers(names, expires: expires)
    return .done
  }

  mutating func redeem(_ name: StoredName, for batch: StoredName, today: Day) -> Bool {
    guard var voucher = vouchers[name], voucher.expires > today else { return false }
    if let used = voucher.batch { return used == batch }
    voucher.batch = batch
    vouchers[name] = voucher
    rowWrites += 1
    return true
  }

  mutating func countTokens(_ count: Int, for name: StoredName, quota: Int) -> OwnerOutcome {
    guard var mailbox = mailboxes[name] else { return .refused }
    guard mailbox.usedTokens + count <= quota else { return .overQuota }
    mailbox.usedTokens += count
    mailboxes[name] = mailbox
    rowWrites += 1
    return .done
  }

  /// - Returns: false when it was spent before.
  private mutating func spend(_ token: SpentToken, today: Day) -> Bool {
    if let expires = spentTokens[token.name], expires > today { return false }
    spentTokens[token.name] = token.expires
    rowWrites += 1
    return true
  }

  func areUnspent(_ tokens: [SpentToken], today: Day) -> Bool {
    tokens.allSatisfy { spentTokens[$0.name].map { $0 <= today } ?? true }
  }

  mutating func spend(_ tokens: [SpentToken], today: Day) -> Bool {
    guard areUnspent(tokens, today: today) else { return false }
    for token in tokens { _ = spend(token, today: today) }
    return true
  }

  mutating func register(_ new: NewMailbox, today: Day) -> SpendOutcome {
    if let mailbox = mailboxes[new.place.name] {
      return mailbox.ownerKey == new.ownerKey && mailbox.sealKey == new.sealKey ? .done : .refused
    }
    guard spend(new.token, today: today) else { return .tokenSpent }
    mailboxes[new.place.name] = Mailbox(ownerKey: new.ownerKey, sealKey: new.sealKey)
    rowWrites += 1
    return .done
  }

  // MARK: Envelopes

  mutating func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredName) {
    guard mailboxes[mailbox] != nil else { return }
    rowWrites += 1 + keys.count
    deliveryKeys[mailbox] = keys
  }

  func accepts(_ target: DeliveryTarget) -> Bool {
    deliveryKeys[target.mailbox.name]?.contains(target.deliveryKey) ?? false
  }

  mutating func append(_ copy: SealedCopy, today: Day) -> CopyOutcome {
    guard accepts(copy.target), var mailbox = mailboxes[copy.target.mailbox.name] else { return .refused }
    if let receipt = copy.receipt, let expires = receipts[receipt], expires > today { return .repeated }
    guard mailbox.waitingCount < Limits.mailboxEnvelopeCount,
      mailbox.waitingByteCount + copy.sealed.count <= Limits.mailboxByteCount
    else { return .full }
    mailbox.lastSequence += 1
    mailbox.waitingCount += 1
    mailbox.waitingByteCount += copy.sealed.count
    mailboxes[copy.target.mailbox.name] = mailbox
    envelopes[copy.target.mailbox.name, default: []].append(
      Waiting(sequence: mailbox.lastSequence, expires: copy.expires, sealed: copy.sealed))
    rowWrites += 2
    if let receipt = copy.receipt {
      receipts[receipt] = copy.expires
      rowWrites += 1
    }
    return .accepted
  }

  func read(_ mailbox: StoredName, after sequence: UInt64, page: PageLimit, today: Day) -> [StoredEnvelope] {
    var envelopes: [StoredEnvelope] = []
    var byteCount = 0
    for waiting in self.envelopes[mailbox, default: []] where waiting.sequence > sequence && waiting.expires > today {
      byteCount += waiting.sealed.count
      guard envelopes.count < page.count, envelopes.isEmpty || byteCount <= page.byteCount else { break }
      envelopes.append(StoredEnvelope(sequence: waiting.sequence, sealed: waiting.sealed))
    }
    return envelopes
  }

  mutating func removeEnvelopes(of mailbox: StoredName, where condition: (Waiting) -> Bool) {
    guard let waiting = envelopes[mailbox] else { return }
    let kept = waiting.filter { !condition($0) }
    guard kept.count < waiting.count else { return }
    rowWrites += waiting.count - kept.count + 1
    envelopes[mailbox] = kept.isEmpty ? nil : kept
    mailboxes[mailbox]?.waitingCount = kept.count
    mailboxes[mailbox]?.waitingByteCount = kept.reduce(0) { $0 + $1.sealed.count }
  }

  // MARK: Key packages

  mutating func publish(_ publication: Publication) -> OwnerOutcome {
    guard var mailbox = mailboxes[publication.mailbox.name] else { return .refused }
    var rows = blobs[publication.capability.name, default: []]
    guard rows.allSatisfy({ $0.publisher == publication.publisher }) else { return .refused }
    let before = rows.count
    for blob in publication.blobs where !rows.contains(where: { $0.name == blob.name }) {
      rows.append(Blob(name: blob.name, publisher: publication.publisher, expires: publication.expires, claimer: nil, bytes: blob.bytes))
    }
    let added = rows.count - before
    guard added > 0 else { return .done }
    guard rows.count <= publication.capabilityQuota, mailbox.usedBlobs + added <= publication.quota else { return .overQuota }
    mailbox.usedBlobs += added
    mailboxes[publication.mailbox.name] = mailbox
    blobs[publication.capability.name] = rows
    rowWrites += 1 + added
    return .done
  }

  mutating func claim(_ capability: StoredName, by claimer: StoredName, today: Day) -> [UInt8]? {
    guard var rows = blobs[capability] else { return nil }
    let candidates = rows.indices.filter { !rows[$0].bytes.isEmpty && rows[$0].expires > today }
    if let index = candidates.first(where: { rows[$0].claimer == claimer }) { return rows[index].bytes }
    let free = candidates.filter { rows[$0].claimer == nil }
    guard let index = free.min(by: { rows[$0].name < rows[$1].name }) else { return nil }
    rows[index].claimer = claimer
    blobs[capability] = rows
    rowWrites += 1
    return rows[index].bytes
  }

  mutating func withdraw(_ capability: StoredName, publisher: StoredName) -> Bool {
    guard var rows = blobs[capability] else { return true }
    guard rows.allSatisfy({ $0.publisher == publisher }) else { return false }
    for index in rows.indices where !rows[index].bytes.isEmpty {
      rows[index].bytes = []
      rowWrites += 1
    }
    blobs[capability] = rows
    return true
  }

  // MARK: Handle logs

  mutating func createLog(_ new: NewLog, today: Day) -> SpendOutcome {
    if let log = logs[new.place.name] { return log.creation == new.creation ? .done : .refused }
    guard spend(new.token, today: today) else { return .tokenSpent }
    logs[new.place.name] = Log(writeKey: new.writeKey, administrators: new.administrators, creation: new.creation)
    rowWrites += 1
    return .done
  }

  mutating func append(_ append: StoredAppend, today: Day) -> AppendOutcome {
    guard var log = logs[append.log.name] else { return .refused }
    let standing = entries[append.log.name, default: []].first { $0.slot == append.slot && $0.expires > today }
    if standing?.frame == append.entry { return .duplicate }
    guard log.writeKey == append.writeKey else { return .refused }
    if let rotation = append.rotation, !log.administrators.contains(rotation.signer) { return .refused }
    guard append.slot == log.nextSlot else { return .conflict(nextSlot: log.nextSlot) }
    let live = entries[append.log.name, default: []].filter { $0.expires > today }
    guard live.count < ServerLimits.logEntryCount,
      live.reduce(append.entry.count, { $0 + $1.frame.count }) <= ServerLimits.logByteCount
    else { return .full }
    if let rotation = append.rotation {
      log.writeKey = rotation.writeKey
      log.administrators = rotation.administrators
    }
    log.nextSlot += 1
    log.rotations = []
    if !append.groupInfo.isEmpty { log.groupInfo = append.groupInfo }
    logs[append.log.name] = log
    entries[append.log.name, default: []].append(Entry(slot: append.slot, expires: append.expires, frame: append.entry))
    rowWrites += 2
    return .appended(append.copies.map { self.append($0, today: today) })
  }

  mutating func rotate(
    _ name: StoredName, slot: UInt64, rotation: StoredRotation, identifier: StoredName
  ) -> RotateOutcome {
    guard var log = logs[name] else { return .refused }
    if log.rotations.contains(identifier) { return .rotated }
    guard log.administrators.contains(rotation.signer) else { return .refused }
    guard slot == log.nextSlot else { return .conflict(nextSlot: log.nextSlot) }
    guard log.rotations.count < ServerLimits.rotationsPerSlot else { return .refused }
    log.writeKey = rotation.writeKey
    log.administrators = rotation.administrators
    log.rotations.append(identifier)
    logs[name] = log
    rowWrites += 1
    return .rotated
  }

  func readLog(_ name: StoredName, from slot: UInt64, page: PageLimit, today: Day) -> LogPage? {
    guard let log = logs[name] else { return nil }
    let visible = entries[name, default: []].filter { $0.expires > today }
    var result = LogPage(firstSlot: visible.first?.slot ?? log.nextSlot, nextSlot: log.nextSlot, entries: [])
    var byteCount = 0
    for entry in visible where entry.slot >= slot {
      byteCount += entry.frame.count + LogPage.entryOverheadByteCount
      guard result.entries.count < page.count, result.entries.isEmpty || byteCount <= page.byteCount else { break }
      result.entries.append(LogEntry(slot: entry.slot, frame: entry.frame))
    }
    return result
  }

  // MARK: Upkeep

  mutating func expire(today: Day) {
    for mailbox in envelopes.keys { removeEnvelopes(of: mailbox) { $0.expires <= today } }
    rowWrites += removeExpired(&receipts, today) + removeExpired(&spentTokens, today)
    let voucherCount = vouchers.count
    vouchers = vouchers.filter { $0.value.expires > today }
    rowWrites += voucherCount - vouchers.count
    for (capability, rows) in blobs {
      let kept = rows.filter { $0.expires > today }
      rowWrites += rows.count - kept.count
      blobs[capability] = kept.isEmpty ? nil : kept
    }
    for (log, rows) in entries {
      let kept = rows.filter { $0.expires > today }
      rowWrites += rows.count - kept.count
      entries[log] = kept.isEmpty ? nil : kept
    }
    guard quotaEnds.map({ $0 <= today }) ?? true else { return }
    quotaEnds = today.adding(ServerLimits.quotaPeriodDays)
    rowWrites += 1
    for (name, mailbox) in mailboxes where mailbox.usedVouchers > 0 || mailbox.usedTokens > 0 || mailbox.usedBlobs > 0 {
      mailboxes[name]?.usedVouchers = 0
      mailboxes[name]?.usedTokens = 0
      mailboxes[name]?.usedBlobs = 0
      rowWrites += 1
    }
  }

  private func removeExpired(_ days: inout [StoredName: Day], _ today: Day) -> Int {
    let before = days.count
    days = days.filter { $0.value > today }
    return before - days.count
  }
}

extension Tables {
  /// All that is kept of vouchers, spent tokens and mailboxes, without any order of its own.
  var registrationLines: [String] {
    func hex(_ bytes: [UInt8]) -> String { bytes.map { String($0, radix: 16) }.joined(separator: ".") }
    var lines = vouchers.map { "voucher \(hex($0.bytes)) \($1.expires.number) \(hex($1.batch?.bytes ?? []))" }
    lines += spentTokens.map { "spent \(hex($0.bytes)) \($1.number)" }
    for (name, mailbox) in mailboxes {
      let used = [mailbox.usedVouchers, mailbox.usedTokens, mailbox.usedBlobs, mailbox.waitingCount]
      lines.append("mailbox \(hex(name.bytes)) \(hex(mailbox.ownerKey.bytes)) \(hex(mailbox.sealKey.bytes)) \(used)")
    }
    return lines.sorted()
  }
}
