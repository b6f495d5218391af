import Foundation

/// A server that hands out links.
protocol RegisteringServer {
  func registrationLink() throws -> String
}

/// Somebody with a profile, who uses the command line.
final class Person {
  let name: String
  let profile: URL
  let keyFile: URL
  private let scratch: URL

  /// Makes the profile and registers its mailbox.
  init(_ name: String, at server: some RegisteringServer, in scratch: Scratch, linkInArguments: Bool = true) throws {
    self.name = name
    self.scratch = scratch.url
    profile = scratch.url.appending(path: "profile-\(UUID().uuidString)")
    keyFile = scratch.url.appending(path: "key-\(UUID().uuidString)")
    let link = try server.registrationLink()
    try run("init", "--name", name, "--server", linkInArguments ? link : "-", input: linkInArguments ? "" : link + "\n")
  }

  /// Runs a command that has to succeed.
  @discardableResult
  func run(_ arguments: String..., input: String = "") throws -> Programs.Outcome {
    let outcome = try attempt(arguments, input: input)
    guard outcome.status == 0 else {
      throw EndToEndError.failed(
        command: "\(name): sotto \(arguments.joined(separator: " "))", status: outcome.status, errors: outcome.errors)
    }
    return outcome
  }

  /// Runs a command, however it ends.
  func attempt(_ arguments: [String], input: String = "") throws -> Programs.Outcome {
    try Programs.run("sotto", arguments, environment: environment, input: input, in: scratch)
  }

  func start(_ arguments: [String], input: String = "") throws -> Programs.Running {
    try Programs.start("sotto", arguments, environment: environment, input: input, in: scratch)
  }

  private var environment: [String: String] { ["SOTTO_PROFILE": profile.path, "SOTTO_KEY_FILE": keyFile.path] }

  /// Invites somebody, who accepts, and confirms them.
  func meet(_ other: Person) throws {
    let link = try run("invite", "--for", other.name).lines.first { $0.hasPrefix("sotto://") } ?? ""
    try other.run("accept", link)
    try run("sync")
    try run("contacts", "confirm", other.name)
  }

  /// One line of `read --json`.
  struct Entry: Decodable, Hashable {
    var author: String
    var kind: String
    var text: String?
  }

  /// Everything in a conversation, as this person sees it.
  func history(_ conversation: String) throws -> [Entry] {
    try run("read", conversation, "--all", "--json").lines.map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }
  }

  /// The texts in a conversation, each with its author.
  func texts(_ conversation: String) throws -> [String] {
    try history(conversation).filter { $0.kind == "text" }.map { "\($0.author): \($0.text ?? "")" }
  }
}
