import ArgumentParser
import SottoKit

struct InviteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invite", abstract: "Make an invitation for one person.",
    discussion: """
      Prints the link, and nothing else, on standard output. Whoever has it can use it, once, within 30 days. If the server cannot \
      be reached, the invitation stays queued, and sotto invites prints the link later.
      """)

  @OptionGroup var options: GlobalOptions
  @Option(name: .customLong("for"), help: "What you call the person.")
  var name: String?

  func run() async throws {
    try await options.withProfile(notingInvitations: false) { sotto in
      let mark = try await sotto.workMark()
      let link: String
      do throws(SottoError) { link = try await sotto.invite(as: name, timeout: options.patience) } catch {
        if error.keepsInvitation {
          Terminal.note(
            "The invitation is kept here. It goes to the server with the next command that reaches it; then its link is in: sotto invites")
        }
        throw error
      }
      Terminal.note("Hand this link over on a channel you trust; it works once. When it was used, confirm the contact:")
      Terminal.note("sotto contacts confirm \(name.map { "'\(DisplayText.line($0))'" } ?? "NAME")\n")
      Terminal.print(link)
      try await sotto.settle(options, since: mark)
    }
  }
}

extension SottoError {
  /// Whether an invitation that could not be made yet stays queued.
  fileprivate var keepsInvitation: Bool { delay != nil || self == .cancelled }
}

struct InvitesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invites", abstract: "List your invitations that nobody has used, with their links.",
    discussion: "Sends those that wait here first. Whoever has a link can use it, once.")

  private struct Line: Encodable {
    var name: String
    /// Missing while it waits for the server.
    var link: String?
    /// The day on which it ends.
    var until: String
  }

  @OptionGroup var options: GlobalOptions
  @Flag(help: "Ask no server.")
  var offline = false
  @Flag(help: "One JSON object a line.")
  var json = false

  func run() async throws {
    try await options.withProfile(notingInvitations: false) { sotto in
      var failure: SottoError?
      if !offline, try await sotto.hasUnsentWork() {
        // What is known is shown, whatever becomes of it.
        do throws(SottoError) { try await sotto.synchronize(timeout: options.patience) } catch { failure = error }
      }
      let invitations = try await sotto.invitations()
      for invitation in invitations {
        let until = String(EntryPrinter.universalTime(invitation.expires).prefix(10))
        if json {
          try JSONLine.print(Line(name: invitation.name, link: invitation.link, until: until))
          continue
        }
        let name = invitation.name.isEmpty ? "(no name)" : DisplayText.line(invitation.name)
        Terminal.print("\(options.style.bold(name))  until \(until)  \(invitation.link ?? "waits for the server")")
      }
      if invitations.isEmpty { Terminal.note("No invitation waits to be used: sotto invite --for NAME") }
      // What else waits is no matter of this list.
      if let failure, failure.delay == nil || invitations.contains(where: { $0.link == nil }) { throw failure }
    }
  }
}

struct AcceptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accept", abstract: "Accept an invitation from a person, or into a group.",
    discussion: "A link in the arguments shows in the system's list of processes; with - it is read from standard input.")

  @OptionGroup var options: GlobalOptions
  @Argument(
    help: ArgumentHelp(
      "An invitation link, - for one on standard input, or the title of a group you were asked into.", valueName: "link-or-group"))
  var invitation: String

  func run() async throws {
    let isLink = invitation == "-" || invitation.hasPrefix("sotto:")
    let invitation = isLink ? try Terminal.link(invitation) : invitation
    try await options.withProfile { sotto in
      let mark = try await sotto.workMark()
      if isLink {
        let accepted = try await sotto.accept(invitation, timeout: options.patience)
        try await sotto.settle(options, since: mark)
        let name = try await sotto.displayName(of: accepted.contact)
        Terminal.note("You and \(DisplayText.line(name)) can write to each other, once they have confirmed you.")
      } else {
        let group = try NameLookup.invitation(invitation, in: try await sotto.groupInvitations())
        try await sotto.acceptGroup(group.id)
        try await sotto.settle(options, since: mark)
        guard try await !sotto.groupInvitations().contains(where: { $0.id == group.id }) else {
          throw CommandFailure(
            text: "the group's server does not let this profile in", hint: "have yourself asked anew; sotto refuse tells them no",
            exitCode: Exit.notPermitted)
        }
        Terminal.note("Accepted. You are in the group once an administrator's device has added you: sotto sync")
      }
    }
  }
}

struct RefuseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "refuse", abstract: "Decline an invitation into a group.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The group's title.")
  var group: String

  func run() async throws {
    try await options.withProfile { sotto in
      let found = try NameLookup.invitation(group, in: try await sotto.groupInvitations())
      let mark = try await sotto.workMark()
      try await sotto.refuseGroup(found.id)
      try await sotto.settle(options, since: mark)
    }
  }
}

struct ContactsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contacts", abstract: "List your contacts, and confirm who they are.",
    subcommands: [ListContacts.self, ConfirmContact.self], defaultSubcommand: ListContacts.self)
}

struct ListContacts: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List your contacts.")

  private struct Line: Encodable {
    var name: String
    var claimedName: String
    var confirmed: Bool
    var verified: Bool
    var identity: String
  }

  @OptionGroup var options: GlobalOptions
  @Flag(help: "One JSON object a line.")
  var json = false

  func run() async throws {
    try await options.withProfile { sotto in
      let contacts = try await sotto.contacts()
      for contact in contacts {
        if json {
          try JSONLine.print(
            Line(
              name: contact.name, claimedName: contact.claimedName, confirmed: contact.isConfirmed,
              verified: contact.isVerified, identity: JSONLine.hex(contact.identity.bytes)))
          continue
        }
        var facts: [String] = []
        if contact.claimedName != contact.name, !contact.claimedName.isEmpty {
          facts.append("calls themselves \(DisplayText.line(contact.claimedName))")
        }
        facts.append(contact.isConfirmed ? "confirmed" : "not confirmed")
        if contact.isVerified { facts.append("verified") }
        let name = contact.name.isEmpty ? "(no name yet)" : DisplayText.line(contact.name)
        Terminal.print("\(options.style.bold(name))  \(options.style.dim(facts.joined(separator: ", ")))")
      }
      if contacts.isEmpty { Terminal.note("No contacts yet: sotto invite --for NAME, or sotto accept LINK") }
    }
  }
}

struct ConfirmContact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "confirm", abstract: "Say that a contact is who you mean. Nothing is sent to them before.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The contact, by your name for them or their own.")
  var name: String
  @Option(name: .customLong("as"), help: "What you call them from now on.")
  var newName: String?

  func run() async throws {
    try await options.withProfile { sotto in
      let contact: Contact
      do {
        contact = try NameLookup.contact(name, in: try await sotto.contacts())
      } catch SottoError.noSuchContact {
        // They may just have accepted.
        contact = try await fetch(sotto)
      }
      let mark = try await sotto.workMark()
      try await sotto.confirm(contact.identity, as: newName)
      try await sotto.settle(options, since: mark)
      Terminal.note("Confirmed. To be sure that nobody stands between you, compare: sotto verify NAME")
    }
  }

  /// Fetches what waits at the servers, then looks again.
  private func fetch(_ sotto: Sotto) async throws -> Contact {
    var absence: SottoError?
    do throws(SottoError) { try await sotto.synchronize(timeout: options.patience) } catch {
      guard error.delay != nil else { throw error }
      if error.delay == .absence { absence = error }
    }
    do { return try NameLookup.contact(name, in: try await sotto.contacts()) } catch SottoError.noSuchContact {
      // Where all has come, there is nobody of this name.
      throw absence ?? SottoError.noSuchContact
    }
  }
}

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Show the safety number of a contact, to compare with theirs.",
    discussion: "Both see the same number if nobody stands between you. Compare it face to face or by voice.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The contact.")
  var name: String
  @Flag(help: "Remember that the numbers were compared and are the same.")
  var mark = false
  @Flag(help: "Forget that.")
  var unmark = false

  func validate() throws {
    guard !(mark && unmark) else { throw ValidationError("--mark or --unmark, not both.") }
  }

  func run() async throws {
    try await options.withProfile { sotto in
      let contact = try NameLookup.contact(name, in: try await sotto.contacts())
      if mark || unmark {
        try await sotto.setVerified(contact.identity, mark)
        Terminal.note(mark ? "Remembered as compared." : "No longer remembered as compared.")
        return
      }
      let groups = try await sotto.safetyNumber(with: contact.identity).groups
      for start in stride(from: 0, to: groups.count, by: 4) {
        Terminal.print(groups[start..<min(start + 4, groups.count)].joined(separator: " "))
      }
      Terminal.note(
        contact.isVerified
          ? "You have marked it as compared." : "When it is the same on both sides: sotto verify NAME --mark")
    }
  }
}
