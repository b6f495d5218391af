import ArgumentParser
import CryptoSuite
import MailboxEngine
import ServerStorage
import SottoProtocol

/// `sotto-server invite`
struct InviteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invite",
    abstract: "Print links that let one person each register; the server may be running.",
    discussion: "A link is good for one mailbox, within 30 days. Whoever holds it can use it.")

  @OptionGroup var data: DataOptions

  @Option(help: ArgumentHelp("How many.", valueName: "n"))
  var count = 1

  @Flag(help: "One object, for a script.")
  var json = false

  func validate() throws {
    guard (1...1_000).contains(count) else { throw ValidationError("--count is 1 to 1000") }
  }

  func run() async throws {
    ProcessSettings.apply()
    let clock = SystemClock()
    let links = try await withWords(in: data.directory) {
      let directory = ServerDirectory(data.directory)
      let secrets = try directory.keys(creating: false).secrets()
      guard let address = AdvertisedAddress(try directory.address()),
        let server = ServerAddress(
          host: address.endpoint.host, port: address.endpoint.port, serverKey: secrets.identity.publicKey, trust: address.trust)
      else { throw ServerStorageError.missing }
      let store = try directory.openStoreForInviting(limits: data.limits)
      // Only a server that runs signs tokens.
      let issuer = TokenIssuer(keys: [])
      let engine = MailboxEngine(store: store, secrets: secrets, issuer: issuer, clock: clock, random: SystemRandom())
      let vouchers = try await engine.makeVouchers(count)
      // The links are good already; closing only tidies up.
      try? store.close()
      return vouchers.map { RegistrationLink(server: server, voucher: $0).text }
    }
    if json {
      let lastDay = (UInt64(clock.today.number) + UInt64(ServerLimits.voucherDays)) * 86_400
      return Output.print(json: Invitations(links: links, goodUntil: lastDay))
    }
    for link in links { Output.print(link) }
  }

  private struct Invitations: Encodable {
    var links: [String]
    /// Seconds since 1970.
    var goodUntil: UInt64
  }
}
