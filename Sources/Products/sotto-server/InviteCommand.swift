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
    discussion: """
      A link is good for one mailbox, within 30 days. Whoever holds it can use it; --withdraw takes back one that went astray, \
      also one by which somebody with a mailbox has invited: then nobody can register with it, nor take the invitation up who has a \
      mailbox already.
      """)

  @OptionGroup var data: DataOptions

  @Option(help: ArgumentHelp("How many.", valueName: "n"))
  var count = 1

  @Option(help: ArgumentHelp("Take back this link, if nobody has used it; `-` reads it from the standard input.", valueName: "link"))
  var withdraw: String?

  @Flag(help: "One object, for a script.")
  var json = false

  func validate() throws {
    guard (1...1_000).contains(count) else { throw ValidationError("--count is 1 to 1000") }
    guard withdraw == nil || count == 1 else { throw ValidationError("--withdraw makes no links, so there is nothing to --count") }
  }

  func run() async throws {
    ProcessSettings.apply()
    if let withdraw { return try await takeBack(withdraw == "-" ? readLine() ?? "" : withdraw) }
    let clock = SystemClock()
    let links = try await withEngine(clock) { directory, secrets, engine in
      guard let address = AdvertisedAddress(try directory.address()),
        let server = ServerAddress(
          host: address.endpoint.host, port: address.endpoint.port, serverKey: secrets.identity.publicKey, trust: address.trust)
      else { throw ServerStorageError.missing }
      return try await engine.makeVouchers(count).map { RegistrationLink(server: server, voucher: $0).text }
    }
    if json {
      let lastDay = (UInt64(clock.today.number) + UInt64(ServerLimits.voucherDays)) * 86_400
      return Output.print(json: Invitations(links: links, goodUntil: lastDay))
    }
    for link in links { Output.print(link) }
  }

  private func takeBack(_ link: String) async throws {
    let text = link.trimming(while: \.isWhitespace)
    let (serverKey, voucher, capability): (PublicKey32, Permission, Permission?)
    if let link = try? RegistrationLink(text) {
      (serverKey, voucher, capability) = (link.server.serverKey, link.voucher, nil)
    } else if let link = try? InvitationLink(text) {
      (serverKey, voucher, capability) = (link.server.serverKey, link.voucher, link.secrets.capability)
    } else {
      throw ServerFailure.noLink
    }
    let (withdrawal, invitation) = try await withEngine(SystemClock()) { _, secrets, engine in
      guard serverKey == secrets.identity.publicKey else { throw ServerFailure.linkOfAnother }
      // In this order: what was cut off in between ends well when it is done again.
      let withdrawal = try await engine.withdraw(voucher)
      guard let capability else { return (withdrawal, Bool?.none) }
      return (withdrawal, try await engine.takeAway(capability))
    }
    switch (withdrawal, invitation) {
    case (.withdrawn, nil), (.withdrawn, true), (.unknown, true):
      if json { Output.print(json: ["withdrawn": true]) } else { Output.note("The link is good for nothing now.") }
    case (.withdrawn, false): throw ServerFailure.invitationIsTakenUp
    case (.used, true): throw ServerFailure.linkHasRegistered
    case (.used, _): throw ServerFailure.linkIsUsed
    case (.unknown, _): throw ServerFailure.noSuchLink
    }
  }

  /// Works on the database beside a server that may be running.
  private func withEngine<Value>(
    _ clock: SystemClock, _ body: (ServerDirectory, ServerSecrets, MailboxEngine) async throws -> Value
  ) async throws -> Value {
    try await withWords(in: data.directory) {
      let directory = ServerDirectory(data.directory)
      let secrets = try directory.keys(creating: false).secrets()
      let store = try directory.openStoreForInviting(limits: data.limits())
      // What was done is on disk already; closing only tidies up.
      defer { try? store.close() }
      // Only a server that runs signs tokens.
      let issuer = TokenIssuer(keys: [])
      return try await body(
        directory, secrets, MailboxEngine(store: store, secrets: secrets, issuer: issuer, clock: clock, random: SystemRandom()))
    }
  }

  private struct Invitations: Encodable {
    var links: [String]
    /// Seconds since 1970.
    var goodUntil: UInt64
  }
}
