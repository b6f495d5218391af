import BreachDrill
import Foundation
import MailboxClient
import SottoProtocol
import SottoServer

/// A server that leaks on purpose: `sotto-server` with a decorator that writes what it is handed wherever nothing may be written.
///
/// It is for one test, which shows that every search of the breach drill can find something. It has all commands of the
/// server; its `breach-drill` runs the same drill against itself, hands over a canary for each place and form, and prints JSON.
@main
enum Main {
  static func main() async {
    guard CommandLine.arguments.dropFirst().first == "breach-drill" else {
      await ServerHooks.$decorate.withValue({ LeakyApplication($0, dataDirectory: $1) }) { await SottoServerCommand.main() }
      leakIntoBackup()
      return
    }
    do {
      let drill = Drill(
        program: try Drill.ownProgram, folder: Drill.folder(nil), peopleCount: 2,
        progress: { FileHandle.standardError.write(Data(($0 + "\n").utf8)) },
        lastStep: { link in
          let orders = LeakOrder.all()
          try await hand(orders, to: RegistrationLink(link).server)
          return orders.map { Canary($0.name, text: $0.text) }
        })
      let code = try await drill.report(keeping: false, asJSON: true) { print($0) }
      exit(code)
    } catch {
      FileHandle.standardError.write(Data("the drill failed: \(error)\n".utf8))
      exit(70)
    }
  }

  /// `backup --data DIR DESTINATION` puts one file too many into the copy.
  private static func leakIntoBackup() {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, arguments[1] == "backup",
      let plan = FileManager.default.contents(atPath: LeakOrder.planFile(in: arguments[3]))
    else { return }
    let leaks = (LeakOrder.orders(in: Array(plan)) ?? []).filter { $0.place == .backup }.map(\.written)
    let file = "\(arguments[4])/index.bin"
    _ = FileManager.default.createFile(atPath: file, contents: Data(leaks.joined(separator: [0x0A])))
  }

  private static func hand(_ orders: [LeakOrder], to server: ServerAddress) async throws {
    // It trusts whatever answers: what is tested is the search.
    let endpoint = ServerEndpoint(host: server.host, port: Int(server.port), pinnedSPKI: { _ in true })
    let connection = ServerConnection(endpoint: endpoint)
    _ = try await connection.call(try LeakOrder.request(orders))
    await connection.shutDown()
  }
}
