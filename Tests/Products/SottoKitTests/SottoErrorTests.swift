import CryptoSuite
import Foundation
import Testing

@testable import SottoKit

@Suite struct SottoErrorTests {
  private static let all: [SottoError] =
    [
      .noProfile, .profileExists, .directoryNotEmpty, .profileInUse, .wrongKey, .wrongKindOfKey, .noKeyFile, .badKeyFile,
      .exposedKeyFile,
      .shortPassphrase, .damagedProfile, .unsupportedProfile, .fileSystem(errno: 13), .storage, .closed,
      .registrationRefused, .invitationRefused, .invitationNotTaken, .quotaUsedUp, .serverFull, .logFull, .ownInvitation, .timedOut,
      .cancelled,
      .noSuchContact, .noSuchConversation, .noSuchGroup, .noSuchInvitation, .ambiguousName, .unconfirmed,
      .notYetConnected, .notActive, .notPermitted, .alreadyMember, .notMember, .badLength(byteCount: 0, limit: 5),
      .badLength(byteCount: 9, limit: 5), .tooManyDevices(limit: 64), .lastOwner, .cryptography,
    ] + [LinkError.notALink, .badAddress, .damaged, .unsupportedVersion, .wrongKind].map(SottoError.link)
    + [ServerProblem.unreachable, .notThisServer, .expired, .mailboxRefused, .refusing, .busy(retryAfterSeconds: 5), .notUnderstood].map(
      SottoError.server)

  @Test func `every error says what happened and what to do, in one line each`() {
    var texts: Set<String> = []
    for error in Self.all {
      #expect(!error.text.isEmpty && !error.hint.isEmpty)
      #expect(!(error.text + error.hint).contains("\n"))
      #expect(error.text.last != "." && error.hint.last != ".")
      #expect(texts.insert(error.text).inserted, "\(error.text) is said of two errors")
      #expect("\(error)" == error.text)
    }
  }

  @Test func `what a server holds up is a delay, and so is its absence; every other error ends what was to be done`() {
    for error in Self.all {
      let isHoldUp = HoldUp.allCases.contains { SottoError($0) == error }
      let isAbsence = if case .server = error { true } else { error == .timedOut }
      #expect(error.delay == (isHoldUp ? .holdUp : isAbsence ? .absence : nil), "\(error.text)")
    }
  }

  @Test func `a statement of another version is no sign of somebody in between, and every other fault but the time is`() {
    #expect(ServerProblem(IdentityStatementError.otherVersion) == .notUnderstood)
    #expect(ServerProblem(IdentityStatementError.expired) == .expired)
    for error in [IdentityStatementError.malformed, .otherServer, .badSignature, .rolledBack] {
      #expect(ServerProblem(error) == .notThisServer)
    }
  }

  @Test func `no room on the disk and none for this user are said alike`() {
    let texts = [ENOSPC, EDQUOT, EIO].map { SottoError.file(.unwritable(errno: $0)).text }
    #expect(texts[0] == texts[1] && texts[1] != texts[2] && texts[1].hasPrefix("the disk is full"))
  }

  @Test func `a link that is none, is damaged or is of the other kind is refused before anything is made`() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("sotto-\(UUID().uuidString)").path
    let address = try #require(
      ServerAddress(host: "127.0.0.1", port: 1, serverKey: PublicKey32(trusted: [UInt8](repeating: 3, count: 32))))
    let voucher = Permission(trusted: [UInt8](repeating: 4, count: 32))
    let good = RegistrationLink(server: address, voucher: voucher).text
    let invitation = InvitationLink(
      server: address, voucher: voucher, secrets: InvitationSecrets(seed: Secret([UInt8](repeating: 5, count: 32))))
    let cases: [(String, SottoError)] = [
      ("https://example.org", .link(.notALink)), (String(good.dropLast()), .link(.damaged)),
      (good.replacingOccurrences(of: ":1/", with: ":0/"), .link(.badAddress)), (invitation.text, .link(.wrongKind)),
      // Nobody listens there.
      (good, .server(.unreachable)),
    ]
    for (link, expected) in cases {
      await #expect(throws: expected) {
        _ = try await Sotto.create(
          in: directory, key: .keyFile(path: directory + ".key"), name: "Ada", registration: link)
      }
    }
    #expect(!FileManager.default.fileExists(atPath: directory))
    #expect(!FileManager.default.fileExists(atPath: directory + ".key"))
  }

  @Test func `opening what is not there says so`() async {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("sotto-\(UUID().uuidString)").path
    await #expect(throws: SottoError.noProfile) {
      _ = try await Sotto.open(directory, key: .passphrase(typed: "correct horse"))
    }
    await #expect(throws: SottoError.noKeyFile) {
      _ = try await Sotto.open(directory, key: .keyFile(path: directory + "/none"))
    }
    #expect(throws: SottoError.noProfile) { try Sotto.protection(of: directory) }
  }

  @Test func `accents mean the same however they are typed`() {
    guard case .passphrase(let composed) = ProfileKey.passphrase(typed: "caf\u{E9} au lait"),
      case .passphrase(let decomposed) = ProfileKey.passphrase(typed: "cafe\u{301} au lait")
    else {
      Issue.record("a typed passphrase is a passphrase")
      return
    }
    #expect(composed == decomposed)
  }
}
