import ArgumentParser
import SottoKit

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show who you are here, and whether your servers can be reached.")

  private struct Line: Encodable {
    var name: String
    var identity: String
    var servers: [String: String]
    var contacts: Int
    var groups: Int
    var unsent: Bool
  }

  @OptionGroup var options: GlobalOptions
  @Flag(help: "Ask no server.")
  var offline = false
  @Flag(help: "One JSON object.")
  var json = false

  func run() async throws {
    try await options.withProfile { sotto in
      if !offline {
        // What becomes of it is what is shown.
        try? await sotto.synchronize(timeout: min(options.patience, .seconds(10)))
      }
      let name = try await sotto.name()
      let identity = JSONLine.hex(try await sotto.identity().bytes)
      let servers = await sotto.serverStatus()
      let contacts = try await sotto.contacts().count
      let groups = try await sotto.conversations().filter { $0.kind == .group && $0.state != .ended }.count
      let unsent = try await sotto.hasUnsentWork()
      if json {
        try JSONLine.print(
          Line(
            name: name, identity: identity,
            servers: Dictionary(servers.map { ($0.name, $0.state.words) }, uniquingKeysWith: { $1 }), contacts: contacts,
            groups: groups, unsent: unsent))
        return
      }
      Terminal.print("\(options.style.bold(DisplayText.line(name)))")
      Terminal.print("identity  \(identity)")
      for server in servers { Terminal.print("server    \(server.name)  \(server.state.words)") }
      if servers.isEmpty { Terminal.print("server    none has registered this profile yet") }
      Terminal.print("contacts  \(contacts)")
      Terminal.print("groups    \(groups)")
      Terminal.print("unsent    \(unsent ? "something waits to be sent" : "nothing")")
    }
  }
}

extension ServerStatus.State {
  var words: String {
    switch self {
    case .idle: "not asked"
    case .connecting: "connecting"
    case .connected(let isCaughtUp): isCaughtUp ? "connected" : "connected, fetching"
    case .waiting(let problem): SottoError.server(problem).text
    }
  }
}
