import CryptoSuite
import Foundation
import SottoKit

/// People who meet, talk and leave messages lying, through a live server, each with a profile as anybody has.
///
/// Everything that they are, say and use is unmistakable, and is known here: these are the canaries.
final class Talk {
  private struct Person {
    var name: String
    var sotto: Sotto
    var identity: IdentityID
    /// With whom, and in which conversation.
    var conversations: [(with: Int, id: ConversationID)] = []
  }

  private let folder: URL
  private var people: [Person] = []
  private(set) var canaries: [Canary] = []

  init(in folder: URL) { self.folder = folder }

  // MARK: - What happens

  /// Everybody registers.
  func gather(_ links: [String]) async throws {
    for (index, link) in links.enumerated() {
      let marker = RandomText.marker()
      let name = index % 2 == 0 ? "Zo\u{EB} N\u{FA}\u{F1}ez \(marker)" : "Ada Canary \(marker)"
      note("name", text: name, marker: marker)
      if let link = try? RegistrationLink(link) { show("registration voucher", link.voucher.bytes) }
      let profile = folder.appending(path: "profile-\(index)").path
      let (sotto, recovery) = try await words("registers") {
        try await Sotto.create(in: profile, key: .keyFile(path: profile + ".key"), name: name, registration: link)
      }
      canaries.append(Canary("recovery key", text: recovery))
      try await words("registers") { try await sotto.waitUntilRegistered(timeout: .seconds(120)) }
      people.append(Person(name: name, sotto: sotto, identity: try await sotto.identity()))
    }
  }

  /// The first person meets everybody else, and calls each by a name of their own; each pair exchanges every kind of text.
  func meetInPairs() async throws {
    guard let first = people.first?.sotto else { return }
    for index in people.indices.dropFirst() {
      let other = people[index].sotto
      let marker = RandomText.marker()
      let petname = "Captain Petname \(marker)"
      note("petname", text: petname, marker: marker)
      let (link, conversation) = try await words("meet") {
        let link = try await first.invite(as: petname, timeout: .seconds(120))
        return (link, try await other.accept(link, timeout: .seconds(120)).conversation)
      }
      if let link = try? InvitationLink(link) {
        show("invitation's voucher", link.voucher.bytes)
        show("capability", link.secrets.capability.bytes)
        canaries.append(Canary("invitation's seed", bytes: link.secrets.seed.exposedBytes))
        canaries.append(Canary("bundle key", bytes: link.secrets.bundleKey.exposedBytes))
      }
      let identity = people[index].identity
      try await until("an invitation is answered") { try await first.contacts().contains { $0.identity == identity } }
      try await words("confirm") { try await first.confirm(identity, as: petname) }
      people[index].conversations.append((0, conversation))
      people[0].conversations.append((index, conversation))
      for text in texts() { try await deliver(text, from: 0, to: index, in: conversation) }
      try await deliver(sentence(), from: index, to: 0, in: conversation)
    }
  }

  /// Everybody is in one group, and says something there.
  func meetInGroup() async throws {
    guard let first = people.first?.sotto else { return }
    let marker = RandomText.marker()
    let title = "Garden committee \(marker)"
    note("group name", text: title, marker: marker)
    let others = people.dropFirst().map(\.identity)
    let group = try await words("make a group") { try await first.createGroup(title: title, inviting: others) }
    for index in people.indices.dropFirst() {
      let sotto = people[index].sotto
      try await until("an invitation to a group has arrived") { try await !sotto.groupInvitations().isEmpty }
      try await words("join a group") {
        for invitation in try await sotto.groupInvitations() { try await sotto.acceptGroup(invitation.id) }
      }
      try await until("a group has a new member") { try await sotto.conversations().contains { $0.id == group } }
    }
    for index in people.indices { try await deliver(sentence(), from: index, to: nil, in: group) }
    let last = sentence()
    try await deliver(last, from: 0, to: nil, in: group)
    for index in people.indices.dropFirst() { try await untilRead(last, by: index, in: group) }
  }

  /// The first person sends a file to one other and to the group, as `sotto send --file` does; the other saves theirs.
  func sendFiles() async throws {
    guard people.count > 1, let conversation = people[0].conversations.first else { return }
    let (first, other) = (people[0].sotto, people[conversation.with].sotto)
    let groups = try await words("list their groups") { try await first.conversations().filter { $0.kind == .group } }
    for (number, target) in ([conversation.id] + groups.map(\.id)).enumerated() {
      let marker = RandomText.marker()
      // Long enough for several pieces, and of one text all over, so that no part of it could be left without.
      let line = "Minutes of the meeting, \(marker), not for others\n"
      let name = "Minutes \(RandomText.marker()).txt"
      note("file's content", text: line.trimmingCharacters(in: .newlines), marker: marker)
      canaries.append(Canary("file's name", text: name))
      let file = folder.appending(path: name)
      try Data(String(repeating: line, count: 200_000 / line.utf8.count * (number + 1)).utf8).write(to: file)
      let outcome = try await words("send a file") { try await first.deliver(file: file.path, to: target, patience: .seconds(120)) }
      guard outcome == SendOutcome(missedCount: 0, waitingCount: 0) else { throw DrillError("a file did not reach everybody") }
    }
    try await until("a file has arrived") { try await self.attachment(in: conversation.id, of: other) != nil }
    guard let attachment = try await attachment(in: conversation.id, of: other) else { return }
    show("file's object", attachment.object.bytes)
    canaries.append(Canary("file's key", bytes: attachment.key.bytes))
    canaries.append(Canary("file's hash", bytes: attachment.hash.bytes))
    let saved = folder.appending(path: "saved").path
    let path = try await words("save a file") { try await other.save(attachment, from: conversation.id, to: saved) }
    let sent = folder.appending(path: attachment.name)
    guard FileManager.default.contentsEqual(atPath: path, andPath: sent.path) else { throw DrillError("a file came out changed") }
  }

  private func attachment(in conversation: ConversationID, of sotto: Sotto) async throws -> SottoProtocol.Attachment? {
    for entry in try await sotto.latest(in: conversation, limit: 20) {
      if case .attachment(let attachment) = entry.kind { return attachment }
    }
    return nil
  }

  /// The last person goes away, and is written to all the same: those messages wait at the server.
  func leaveMessagesWaiting() async throws {
    guard people.count > 1, let away = people.indices.last else { return }
    try await settle()
    try await collect(away)
    await people[away].sotto.close()
    for conversation in people[0].conversations where conversation.with == away {
      for text in texts() { try await deliver(text, from: 0, to: nil, in: conversation.id) }
    }
  }

  /// One more of them.
  func leaveAnotherMessage() async throws {
    guard let conversation = people.first?.conversations.last else { return }
    try await deliver(sentence(), from: 0, to: nil, in: conversation.id)
  }

  /// Notes what every device holds, and closes all.
  func end() async throws {
    for index in people.indices.dropLast() { try await collect(index) }
    await close()
  }

  func close() async { for person in people { await person.sotto.close() } }

  // MARK: - Canaries

  /// A text of each kind, and what of it is looked for.
  private func texts() -> [String] {
    let phone = "+49 151 \(RandomText.digits(4)) \(RandomText.digits(4))"
    let place = "52.\(RandomText.digits(7)), 13.\(RandomText.digits(7))"
    canaries.append(Canary("phone number", text: phone))
    canaries.append(Canary("coordinates", text: place))
    let marker = RandomText.marker()
    let document = "BEGIN:VCARD\nNOTE:contents of a document, \(marker)\n" + RandomText.digits(700) + "\nEND:VCARD\n"
    note("document", text: document, marker: marker)
    return [sentence(), "Call me: \(phone)", "Meet me at \(place)", document]
  }

  /// A sentence with accents, signs of three bytes and one of four.
  private func sentence() -> String {
    let marker = RandomText.marker()
    let text = "Gr\u{FC}\u{DF}e vom Leuchtturm, \u{5929}\u{6C17} \u{1F426} \(marker): the keeper knows"
    note("text", text: text, marker: marker)
    return text
  }

  /// Whatever a program does to letters with accents, the marker stays as it is.
  private func note(_ kind: String, text: String, marker: String) {
    canaries.append(Canary(kind, text: text))
    canaries.append(Canary(kind, text: marker))
  }

  private func show(_ kind: String, _ bytes: [UInt8]) { canaries.append(Canary(kind, bytes: bytes, rule: .inFlight)) }

  private func collect(_ index: Int) async throws {
    for trace in try await people[index].sotto.traces() {
      canaries.append(Canary(trace.name, bytes: trace.bytes, rule: trace.isShown ? .inFlight : .never))
    }
  }

  // MARK: - Steps

  private func deliver(_ text: String, from sender: Int, to reader: Int?, in conversation: ConversationID) async throws {
    let sotto = people[sender].sotto
    let outcome = try await words("talk") { try await sotto.deliver(text, to: conversation, timeout: .seconds(120)) }
    guard outcome == SendOutcome(missedCount: 0, waitingCount: 0) else {
      throw DrillError("the server did not take a message for everybody")
    }
    if let reader { try await untilRead(text, by: reader, in: conversation) }
  }

  private func untilRead(_ text: String, by reader: Int, in conversation: ConversationID) async throws {
    let sotto = people[reader].sotto
    try await until("a message has arrived") {
      try await sotto.latest(in: conversation, limit: 20).contains { $0.kind == .text(text) }
    }
  }

  /// Everything sent, fetched and acknowledged.
  private func settle() async throws {
    for person in people { try await words("synchronize") { try await person.sotto.synchronize(timeout: .seconds(120)) } }
  }

  private func words<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch let error as SottoError {
      throw DrillError("the people of the drill could not \(what): \(error.text)")
    }
  }
}
