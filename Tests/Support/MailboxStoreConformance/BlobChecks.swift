import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

enum BlobChecks {
  static let all = [takeOnce, repetition, noReturn, publishers, quotas, expiry]

  private static func made(
    _ samples: Samples, by target: DeliveryTarget, _ blobs: [[UInt8]], capability: StoredPlace? = nil,
    publisher: StoredName? = nil, expires: Day = Samples.expires
  ) -> Publication {
    Publication(
      capability: capability ?? samples.place(), publisher: publisher ?? samples.name(),
      blobs: blobs.map { Publication.Blob(name: StoredName(trusted: Array(repeating: $0[0], count: 32)), bytes: $0) },
      expires: expires, mailbox: target.mailbox, quota: 40, capabilityQuota: 20)
  }

  static let takeOnce = ConformanceCheck("16 racers take each blob once") { fixture in
    let samples = Samples()
    let target = try await samples.mailbox(in: fixture.store)
    let publication = made(samples, by: target, (0..<12).map { [$0, 1, 2] })
    try requireEqual(try await fixture.store.publish(publication, today: Samples.today), .done, "published")
    let taken = try await withThrowingTaskGroup { group in
      for _ in 0..<16 {
        let claimer = samples.name()
        group.addTask { try await fixture.store.claim(publication.capability, by: claimer, today: Samples.today) }
      }
      return try await group.reduce(into: [[UInt8]]()) { $0 += [$1].compactMap { $0 } }
    }
    try requireEqual(taken.count, 12, "all are taken")
    try requireEqual(Set(taken), Set(publication.blobs.map(\.bytes)), "each once")
    let store = try await fixture.reopen()
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: Samples.today), nil, "none is left")
  }

  static let repetition = ConformanceCheck("a claimer that asks again gets the same blob, and nobody else does") { fixture in
    let samples = Samples()
    let target = try await samples.mailbox(in: fixture.store)
    let publication = made(samples, by: target, [[1], [2]])
    _ = try await fixture.store.publish(publication, today: Samples.today)
    let claimers = [samples.name(), samples.name(), samples.name()]
    let first = try await fixture.store.claim(publication.capability, by: claimers[0], today: Samples.today)
    try require(first != nil, "taken")
    let store = try await fixture.reopen()
    for _ in 0..<2 {
      try requireEqual(
        try await store.claim(publication.capability, by: claimers[0], today: Samples.today), first, "the same again")
    }
    let second = try await store.claim(publication.capability, by: claimers[1], today: Samples.today)
    try require(second != nil && second != first, "another claimer gets the other")
    try requireEqual(try await store.claim(publication.capability, by: claimers[2], today: Samples.today), nil, "none is left")
    try require(try await store.withdraw(publication.capability, publisher: publication.publisher), "withdrawn")
    try requireEqual(try await store.claim(publication.capability, by: claimers[0], today: Samples.today), nil, "gone")
  }

  static let noReturn = ConformanceCheck("a blob that was taken or withdrawn does not come back when it is published again") {
    fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    var publication = made(samples, by: target, [[1], [2], [3]])
    _ = try await store.publish(publication, today: Samples.today)
    let taken = try await store.claim(publication.capability, by: samples.name(), today: Samples.today)
    try require(taken != nil, "one is taken")
    try requireEqual(try await store.publish(publication, today: Samples.today), .done, "a repetition is no error")
    let second = try await store.claim(publication.capability, by: samples.name(), today: Samples.today)
    try require(second != nil && second != taken, "another is taken")
    try require(try await store.withdraw(publication.capability, publisher: publication.publisher), "withdrawn")
    _ = try await store.publish(publication, today: Samples.today)
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: Samples.today), nil, "none comes back")
    publication.blobs = [Publication.Blob(name: samples.name(), bytes: [4])]
    _ = try await store.publish(publication, today: Samples.today)
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: Samples.today), [4], "a new one does")
  }

  static let publishers = ConformanceCheck("only who published under a capability adds to it or withdraws") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let publication = made(samples, by: target, [[1]])
    _ = try await store.publish(publication, today: Samples.today)
    let foreign = made(samples, by: target, [[2]], capability: publication.capability)
    try requireEqual(try await store.publish(foreign, today: Samples.today), .refused, "another publisher")
    try require(try await !store.withdraw(publication.capability, publisher: foreign.publisher), "another withdraws")
    try require(try await store.withdraw(samples.place(), publisher: samples.name()), "nothing to withdraw")
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: Samples.today), [1], "it is still there")
    let stranger = DeliveryTarget(mailbox: samples.place(), deliveryKey: samples.name())
    let unknown = made(samples, by: stranger, [[1]])
    try requireEqual(try await store.publish(unknown, today: Samples.today), .refused, "no such mailbox")
  }

  static let quotas = ConformanceCheck("blobs are bounded for each capability, and for each mailbox in a period") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let full = made(samples, by: target, (0..<20).map { [$0] })
    try requireEqual(try await store.publish(full, today: Samples.today), .done, "as many as a capability may have")
    _ = try await store.claim(full.capability, by: samples.name(), today: Samples.today)
    let more = made(samples, by: target, [[99]], capability: full.capability, publisher: full.publisher)
    try requireEqual(try await store.publish(more, today: Samples.today), .overQuota, "taken ones count")
    let next = made(samples, by: target, (0..<19).map { [$0] })
    try requireEqual(try await store.publish(next, today: Samples.today), .done, "39 of 40")
    let beyond = made(samples, by: target, [[1], [2]])
    try requireEqual(try await store.publish(beyond, today: Samples.today), .overQuota, "41 of 40")
    try requireEqual(try await store.claim(beyond.capability, by: samples.name(), today: Samples.today), nil, "none of them is there")
  }

  static let expiry = ConformanceCheck("a blob cannot be taken on the day it expires") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    let day = Samples.today.adding(3)
    let publication = made(samples, by: target, [[1]], expires: day)
    _ = try await store.publish(publication, today: Samples.today)
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: day), nil, "hidden")
    try await store.expire(today: day)
    try requireEqual(try await store.claim(publication.capability, by: samples.name(), today: Samples.today), nil, "deleted")
  }
}
