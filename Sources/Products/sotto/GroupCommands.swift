import ArgumentParser
import SottoKit

struct GroupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "group", abstract: "Make, list, change and leave groups.",
    subcommands: [
      ListGroups.self, CreateGroup.self, AddToGroup.self, RemoveFromGroup.self, LeaveGroup.self,
    ], defaultSubcommand: ListGroups.self)
}

struct ListGroups: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List your groups, who is in them, and the invitations that wait.")

  private struct Line: Encodable {
    var title: String
    var state: String
    var members: [String]
    var invited: [String]
    var postQuantum: Bool?
    var waiting: Int?
  }

  @OptionGroup var options: GlobalOptions
  @Flag(help: "One JSON object a line.")
  var json = false

  func run() async throws {
    try await options.withProfile { sotto in
      let groups = try await sotto.conversations().filter { $0.kind == .group }
      for group in groups { try await show(group, sotto) }
      let invitations = try await sotto.groupInvitations()
      for invitation in invitations {
        let from = try await sotto.displayName(of: invitation.from)
        if json {
          try JSONLine.print(
            Line(title: invitation.title, state: "invitation", members: [from], invited: []))
        } else {
          let title = options.style.bold(DisplayText.line(invitation.title))
          Terminal.print("\(title)  \(options.style.dim("\(DisplayText.line(from)) asks you in: accept or refuse"))")
        }
      }
      if groups.isEmpty, invitations.isEmpty { Terminal.note("No groups yet: sotto group create TITLE NAME...") }
    }
  }

  private func show(_ group: ConversationSummary, _ sotto: Sotto) async throws {
    var invited: [String] = []
    for identity in group.invited { invited.append(try await sotto.displayName(of: identity)) }
    let state =
      switch group.state {
      case .active: "active"
      case .leaving: "leaving"
      case .ended: "ended"
      }
    if json {
      try JSONLine.print(
        Line(
          title: group.title, state: state, members: group.members.map(\.name), invited: invited,
          postQuantum: group.isPostQuantum, waiting: group.waitingCount))
      return
    }
    let members = group.members.map { member in
      let role =
        switch member.role {
        case .owner: " (owner)"
        case .administrator: " (administrator)"
        case .member: ""
        }
      return "\(member.isSelf ? "you" : DisplayText.line(member.name))\(role)"
    }
    var facts = [members.joined(separator: ", ")]
    if group.state != .active { facts = [state] }
    if !invited.isEmpty { facts.append("asked: \(invited.map(DisplayText.line).joined(separator: ", "))") }
    if group.waitingCount > 0 { facts.append("\(group.waitingCount) to be sent") }
    let title = options.style.bold(DisplayText.line(group.title))
    Terminal.print("\(title)  \(options.style.dim(facts.joined(separator: "; ")))")
  }
}

struct CreateGroup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a group, and ask contacts into it.",
    discussion: "Each joins when they have accepted.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The title, which members see.")
  var title: String
  @Argument(help: "Contacts to ask.")
  var names: [String] = []

  func run() async throws {
    try await options.withProfile { sotto in
      let contacts = try await sotto.contacts()
      let asked = try names.map { try NameLookup.contact($0, in: contacts) }
      guard asked.allSatisfy(\.isConfirmed) else { throw SottoError.unconfirmed }
      let mark = try await sotto.workMark()
      try await sotto.createGroup(title: title, inviting: asked.map(\.identity))
      try await sotto.settle(options, since: mark)
      if !asked.isEmpty { Terminal.note("Those you asked are in the group once they have accepted: sotto group list") }
    }
  }
}

struct AddToGroup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "add", abstract: "Ask a contact into a group.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The group's title.")
  var title: String
  @Argument(help: "The contact.")
  var name: String

  func run() async throws {
    try await options.withProfile { sotto in
      let group = try NameLookup.group(title, in: try await sotto.conversations())
      let contact = try NameLookup.contact(name, in: try await sotto.contacts())
      guard contact.isConfirmed else { throw SottoError.unconfirmed }
      let mark = try await sotto.workMark()
      try await sotto.add(contact.identity, to: group.id)
      try await sotto.settle(options, since: mark)
      Terminal.note("Asked. They are in the group once they have accepted.")
    }
  }
}

struct RemoveFromGroup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Take a member out of a group. They cannot read what is sent afterwards.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The group's title.")
  var title: String
  @Argument(help: "The member.")
  var name: String

  func run() async throws {
    try await options.withProfile { sotto in
      let group = try NameLookup.group(title, in: try await sotto.conversations())
      let member = try await member(of: group, sotto)
      let mark = try await sotto.workMark()
      try await sotto.remove(member, from: group.id)
      try await sotto.settle(options, since: mark, changing: group.id)
    }
  }

  /// A member need not be a contact; who was only asked is one.
  private func member(of group: ConversationSummary, _ sotto: Sotto) async throws -> IdentityID {
    let contacts = try await sotto.contacts()
    let inside = Set(group.members.map(\.identity) + group.invited)
    do { return try NameLookup.contact(name, in: contacts.filter { inside.contains($0.identity) }).identity } catch SottoError.noSuchContact
    {
      let named = group.members.filter { $0.name == name && !$0.isSelf }
      if named.count > 1 { throw SottoError.ambiguousName }
      if let member = named.first { return member.identity }
      return try NameLookup.contact(name, in: contacts).identity
    }
  }
}

struct LeaveGroup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leave", abstract: "Leave a group. An administrator's device then takes you out.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The group's title.")
  var title: String

  func run() async throws {
    try await options.withProfile { sotto in
      let group = try NameLookup.group(title, in: try await sotto.conversations())
      let mark = try await sotto.workMark()
      try await sotto.leave(group.id)
      try await sotto.settle(options, since: mark)
    }
  }
}
