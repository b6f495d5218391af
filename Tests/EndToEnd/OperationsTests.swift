import BreachDrill
import Foundation
import MailboxClient
import SottoProtocol
import Synchronization
import Testing

extension EndToEndTests {
  @Test func `every fault of the settings is named at once, unknown names with the nearest known one`() throws {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "bad.conf")
    let lines = [
      "data = /nowhere", "lisen = 0.0.0.0:8443", "limits.connections = many", "metrics.listen = 0.0.0.0:9464", "nonsense",
      "tls.certificate = /nowhere",
    ]
    try Data(lines.joined(separator: "\n").utf8).write(to: file)
    let outcome = try Programs.run(
      "sotto-server", ["config", "check", "--config", file.path, "--set", "log.level=loud"],
      environment: ["SOTTO_SERVER_LIMIT_CONNECTIONS": "3"], in: scratch.url)
    #expect(outcome.status == 78)
    for fault in [
      "8 settings are wrong", "lisen is no setting; did you mean listen?", "bad.conf:5: is not NAME = VALUE",
      "SOTTO_SERVER_LIMIT_CONNECTIONS is no setting; did you mean SOTTO_SERVER_LIMITS_CONNECTIONS?", "log.level (command line)",
      "limits.connections (file, line 3): is no whole number", "listen: is not set", "tls.key: is not set",
      "metrics.listen: is not a loopback address",
    ] { #expect(outcome.errors.contains(fault), "\(fault) is not in: \(outcome.errors)") }
    let serve = try Programs.run("sotto-server", ["serve", "--config", file.path], in: scratch.url)
    #expect(serve.status == 78)

    // The files of the certificate are looked at whatever else is wrong.
    let files = ["data = /nowhere", "listen = 127.0.0.1:0", "log.level = loud", "tls.certificate = /nowhere", "tls.key = /nowhere"]
    try Data(files.joined(separator: "\n").utf8).write(to: file)
    for command in [["config", "check"], ["serve"]] {
      let all = try Programs.run("sotto-server", command + ["--config", file.path], in: scratch.url)
      #expect(all.status == 78)
      for fault in ["3 settings are wrong", "log.level", "tls.certificate: is not there", "tls.key: is not there"] {
        #expect(all.errors.contains(fault), "\(fault) is not in: \(all.errors)")
      }
    }
  }

  @Test func `the command line outranks the environment, that the file, and that the defaults`() throws {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: "good.conf")
    let lines = ["data = /a", "listen = 127.0.0.1:1", "advertise = chat.example.org:1", "limits.idle-time = 20s"]
    try Data(lines.joined(separator: "\n").utf8).write(to: file)
    let environment = ["SOTTO_SERVER_LISTEN": "127.0.0.1:2", "SOTTO_SERVER_ADVERTISE": "chat.example.org:2"]
    let outcome = try Programs.run(
      "sotto-server", ["config", "show", "--config", file.path, "--advertise", "chat.example.org:3"], environment: environment,
      in: scratch.url)
    #expect(outcome.status == 0, "\(outcome.errors)")
    func line(_ name: String) -> String { outcome.lines.first { $0.hasPrefix(name + " ") } ?? "" }
    #expect(line("advertise").hasSuffix("chat.example.org:3  (command line)"))
    #expect(line("listen").hasSuffix("127.0.0.1:2  (environment, SOTTO_SERVER_LISTEN)"))
    #expect(line("limits.idle-time").hasSuffix("20s  (file, line 4)"))
    #expect(line("log.level").hasSuffix("notice  (default)"))
    let sample = try Programs.run("sotto-server", ["config", "sample"], in: scratch.url)
    let sampleFile = scratch.url.appending(path: "sample.conf")
    try Data(sample.output.utf8).write(to: sampleFile)
    let check = try Programs.run("sotto-server", ["config", "check", "--config", sampleFile.path], in: scratch.url)
    #expect(check.status == 0, "\(check.errors)")
    #expect(check.errors.contains("no security.txt") && check.errors.contains("set security.contact"), "\(check.errors)")
    let contact = ["config", "check", "--config", sampleFile.path, "--set", "security.contact=mailto:a@example.org"]
    #expect(try Programs.run("sotto-server", contact, in: scratch.url).errors == "")
  }

  @Test(.enabled(if: Tools.has(Tools.openssl), "openssl is not installed"))
  func `a new certificate is taken at SIGHUP while people are connected, and a bad one is refused`() async throws {
    let scratch = try Scratch()
    let (first, second) = (try IssuedCertificate("first", in: scratch), try IssuedCertificate("second", in: scratch))
    let ended = try IssuedCertificate("ended", in: scratch, days: -1)
    func lines(_ issued: IssuedCertificate, key: URL? = nil) -> [String] {
      ["tls.certificate = \(issued.certificate.path)", "tls.key = \((key ?? issued.key).path)"]
    }
    let server = try OperatedServer(in: scratch, lines: lines(first))
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let firstKey = try await server.shownKey()

    // Bob stays connected through all of this, and waits for what comes.
    let reading = try bob.start(["read", "Alice", "--wait", "4", "--timeout", "120"])
    try alice.run("send", "Bob", "before")

    try server.write(lines(second))
    try server.hangUp(expecting: "settings and certificate were read again")
    #expect(server.words.contains("another certificate is served"))
    let secondKey = try await server.shownKey()
    #expect(secondKey != firstKey)
    // Both are vouched for, so that who knows the old one and who meets the new one go on.
    #expect(try await server.vouchedKeys() == [secondKey, firstKey])
    try alice.run("send", "Bob", "with the second")

    for (bad, words) in [
      (lines(first, key: second.key), "does not belong to tls.key"), (lines(ended), "the certificate has ended"),
      (["tls.certificate = /nowhere", "tls.key = /nowhere"], "cannot be read"), (["limits.idle-time = soon"], "limits.idle-time"),
    ] {
      try server.write(bad)
      try server.hangUp(expecting: "is refused, and what was in force stays")
      #expect(server.words.contains(words))
      #expect(try await server.shownKey() == secondKey)
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: first.key.path)
    try server.write(lines(first))
    try server.hangUp(expecting: "tls.key may be read by everybody on this machine")
    #expect(try await server.shownKey() == secondKey)

    try alice.run("send", "Bob", "after the bad ones")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: first.key.path)
    try server.hangUp(expecting: "settings and certificate were read again")
    #expect(try await server.shownKey() == firstKey)
    try alice.run("send", "Bob", "back with the first")
    let read = reading.outcome()
    #expect(read.status == 0, "\(read.errors)")
    #expect(try bob.texts("Alice").count == 4)
    #expect(server.stop()?.status == 0)
  }

  @Test func `a reload takes what can be taken at once, says what takes a restart, and takes nothing of another mode of TLS`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    try server.write(["files.quota = 1GiB", "limits.idle-time = 20s"])
    try server.hangUp(expecting: "settings and certificate were read again")
    #expect(server.words.contains("files.quota has changed; that takes a restart"))
    try server.write(["tls.mode = proxy", "advertise = chat.example.org:443"])
    try server.hangUp(expecting: "is refused, and what was in force stays")
    #expect(server.words.contains("tls.mode has changed, and that takes a restart"))
    try server.write([])
    try server.hangUp(expecting: "settings and certificate were read again")
    let links = try server.command("invite", arguments: ["--count", "2", "--json"]).output
    #expect(links.components(separatedBy: "sotto:").count == 3 && links.contains("\"goodUntil\":"), "\(links)")
    #expect(try server.command("identity", arguments: ["--json"]).output.hasPrefix("{\"fingerprint\":"))
    // A link that went astray is taken back, once; one that was used is not.
    func withdraw(_ link: String) throws -> (status: Int32, output: String, errors: String) {
      let outcome = try server.command("invite", arguments: ["--withdraw", link, "--json"])
      return (outcome.status, outcome.output, outcome.errors)
    }
    let stray = try server.registrationLink()
    #expect(try withdraw(stray).output == "{\"withdrawn\":true}\n")
    #expect(try withdraw(stray).status == 66)
    struct Link: RegisteringServer {
      let text: String
      func registrationLink() -> String { text }
    }
    #expect(throws: EndToEndError.self) { try Person("Cleo", at: Link(text: stray), in: scratch) }
    let used = try server.registrationLink()
    _ = try Person("Dora", at: Link(text: used), in: scratch)
    #expect(try withdraw(used).status == 73)
    #expect(try withdraw("sotto://nonsense").status == 65)

    // An invitation leads nobody in any more, and nobody who is in already to who invited; who was there before is not passed over.
    let (ada, ben) = (try Person("Ada", at: server, in: scratch), try Person("Ben", at: server, in: scratch))
    func invitation() throws -> String { try ada.run("invite").lines.first { $0.hasPrefix("sotto://") } ?? "" }
    let lost = try invitation()
    #expect(try withdraw(lost).output == "{\"withdrawn\":true}\n")
    #expect(try ben.attempt(["accept", lost]).status == 77)
    #expect(try withdraw(lost).status == 66)
    let taken = try invitation()
    try ben.run("accept", taken)
    let late = try withdraw(taken)
    #expect(late.status == 73 && late.errors.contains("has taken up this invitation"), "\(late.errors)")
    #expect(server.stop()?.status == 0)
  }

  @Test func `a backup under load gives a server where everything accepted before it began is there`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let accepted = (1...4).map { "accepted \($0)" }
    for text in accepted { try alice.run("send", "Bob", text) }
    let meanwhile = try alice.start(["chat", "Bob", "--timeout", "60"], input: (1...20).map { "meanwhile \($0)\n" }.joined())

    let (backup, keys) = (scratch.url.appending(path: "backup"), scratch.url.appending(path: "keys"))
    let made = try server.command("backup", arguments: [backup.path, "--without-keys"])
    #expect(made.status == 0, "\(made.errors)")
    #expect(made.lines.first == backup.path && made.output.contains("\ndatabase ") && made.output.contains(" are free beside it\n"))
    let keysMade = try server.command("backup", arguments: [keys.path, "--keys-only", "--json"])
    #expect(keysMade.status == 0 && keysMade.output.contains("\"databaseBytes\":0,\"fileBytes\":0,"), "\(keysMade.output)")
    #expect(try server.command("backup", arguments: [backup.path]).status == 73)
    #expect(meanwhile.outcome().status == 0)
    #expect(try server.command("status", arguments: ["--json"]).output.contains("\"lastBackup\":"))
    for (folder, names) in [(backup, ["server.sqlite"]), (keys, ["server.address", "server.issuer", "server.keys", "server.tls.pem"])] {
      let folders = folder == backup ? ["objects"] : []
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == folders + names)
      for name in names {
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.appending(path: name).path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
      }
    }

    // The machine burns down.
    server.kill()
    #expect(try server.command("restore", arguments: [backup.path, "--keys", keys.path]).status == 73)
    try FileManager.default.removeItem(at: server.data)
    #expect(try server.command("restore", arguments: [backup.path]).status == 65, "without the keys")
    let restored = try server.command("restore", arguments: [backup.path, "--keys", keys.path])
    #expect(restored.status == 0, "\(restored.errors)")
    try server.write([])
    try server.start()
    let texts = try {
      try bob.run("sync"); return try bob.texts("Alice")
    }()
    #expect(Array(texts.prefix(4)) == accepted.map { "Alice: \($0)" })
    // Life goes on, both ways.
    try bob.run("send", "Alice", "still there?")
    try alice.run("sync")
    #expect(try alice.texts("Bob").last == "Bob: still there?")
    try alice.run("send", "Bob", "yes")
    try bob.run("sync")
    #expect(try bob.texts("Alice").contains("Alice: yes"))
  }

  @Test func `no core is written, and no other process of the user can read the server's memory`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let limits = Programs.text(URL(filePath: "/proc/\(server.processID)/limits"))
    let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
    #expect(core.split(separator: " ").filter { $0 == "0" }.count == 2, "\(core)")
    // What a process that may not be dumped has in /proc belongs to root (proc(5)).
    let status = try FileManager.default.attributesOfItem(atPath: "/proc/\(server.processID)/mem")
    #expect(status[.ownerAccountID] as? Int == 0)
    Foundation.kill(server.processID, SIGABRT)
    _ = server.running?.outcome()
    let left = try FileManager.default.subpathsOfDirectory(atPath: scratch.url.path)
    #expect(left.allSatisfy { !$0.lowercased().hasSuffix("core") && !$0.contains("/core.") })
  }

  @Test(.enabled(if: Tools.has(Tools.curl), "curl is not installed"))
  func `a report is sealed to the operator, and answered with a signed receipt`() async throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let link = try RegistrationLink(try server.registrationLink())
    let report = Array("there is a hole in the fence \(UUID().uuidString)".utf8)
    #expect(try await server.exchange(.post("/v1/report", report)).status == 404, "nobody reads reports yet")
    for path in ["/v1/report", "/.well-known/security.txt"] { #expect(try await server.exchange(.get(path)).status == 404) }
    #expect(server.words.contains("no security.txt"))
    #expect(try server.command("status").output.contains("no security.txt"))

    let begun = try server.command("reports", "init")
    let key = try #require(begun.lines.first)
    let address = "https://127.0.0.1:\(server.port)/v1/report"
    #expect(begun.errors.contains("Reports are taken at \(address), and"))
    let again = try server.command("reports", "init")
    #expect(again.status == 73 && again.errors.contains("there is a key of reports already"))
    // From now on, and without a contact of the operator's.
    let published = String(decoding: try await server.exchange(.get("/.well-known/security.txt")).body, as: UTF8.self)
    #expect(published.hasPrefix("Contact: \(address)\nExpires: 20"))
    #expect(String(decoding: try await server.exchange(.get("/v1/report")).body, as: UTF8.self).contains("@report.txt \(address) "))
    #expect(try !server.command("status").output.contains("no security.txt"))
    let answer = try await server.exchange(.post("/v1/report", report))
    #expect(answer.status == 200)
    let receipt = try ReportReceipt(verifying: answer.body, report: report, serverKey: link.server.serverKey)
    #expect(receipt.day > 20_000)
    #expect(throws: IdentityStatementError.malformed) {
      try ReportReceipt(verifying: answer.body, report: report + [0], serverKey: link.server.serverKey)
    }
    #expect(try await server.exchange(.post("/v1/report", [UInt8](repeating: 1, count: (64 << 10) + 1))).status == 413)

    let name = try #require(try server.command("reports", "list").lines.first?.split(separator: " ").first.map(String.init))
    #expect(
      try server.command("reports", "read", arguments: [name], input: key + "\n").output == String(decoding: report, as: UTF8.self) + "\n")
    #expect(try server.command("reports", "read", arguments: [name], input: "sotto-report-key-x\n").status == 65)
    for file in try FileManager.default.subpathsOfDirectory(atPath: server.data.path) {
      let bytes = (try? Data(contentsOf: server.data.appending(path: file))) ?? Data()
      #expect(bytes.range(of: Data(report.prefix(20))) == nil, "\(file)")
    }
    // One address has a share of the day, of which those that were turned away took nothing; the operator sees that there was more.
    var statuses: [Int] = []
    for _ in 0..<8 { statuses.append(try await server.exchange(.post("/v1/report", report)).status) }
    #expect(statuses == [200, 200, 200, 200, 429, 429, 429, 429])
    #expect(try server.command("status").output.contains("5 of 1000, and 4 refused since the start"))
    let list = try server.command("reports", "list", arguments: ["--json"]).output
    #expect(list.contains("\"refused\":4") && list.contains("\"name\":\"\(name)\""))
    #expect(try server.command("reports", "list").errors.contains("4 reports were refused"))

    try server.write(["security.contact = mailto:security@example.org, https://example.org/report"])
    try server.hangUp(expecting: "read again")
    let text = try await server.exchange(.get("/.well-known/security.txt"))
    let lines = String(decoding: text.body, as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(lines.prefix(3) == ["Contact: mailto:security@example.org", "Contact: https://example.org/report", "Contact: \(address)"])
    #expect(lines.contains("Canonical: https://127.0.0.1:\(server.port)/.well-known/security.txt"))
    #expect(lines.contains("Preferred-Languages: en"))
    #expect(lines.contains { $0.hasPrefix("Expires: 20") && $0.hasSuffix("T00:00:00Z") })
  }

  @Test func `reports are read where the key is, from a copy of their folder`() async throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let key = try #require(try server.command("reports", "init").lines.first)
    let (folder, copy) = (server.data.appending(path: "reports"), scratch.url.appending(path: "copied"))
    // What a crash left of a report is gone after the next start.
    #expect(server.stop()?.status == 0)
    let leftover = folder.appending(path: String(repeating: "a", count: 32) + ".new")
    try Data([1]).write(to: leftover)
    try server.start()
    #expect(!FileManager.default.fileExists(atPath: leftover.path))
    #expect(try await server.exchange(.post("/v1/report", Array("the gate is open".utf8))).status == 200)

    func reports(_ arguments: String..., input: String = "") throws -> Programs.Outcome {
      try Programs.run("sotto-server", ["reports"] + arguments, input: input, in: scratch.url)
    }
    try FileManager.default.copyItem(at: folder, to: copy)
    #expect(server.stop()?.status == 0)
    // Nothing else of the server is there.
    try FileManager.default.removeItem(at: server.data)
    let list = try reports("list", "--folder", copy.path)
    let name = try #require(list.lines.first?.split(separator: " ").first.map(String.init), "\(list.errors)")
    #expect(try reports("list", "--folder", copy.path, "--json").output.contains("\"name\":\"\(name)\""))
    let report = try reports("read", "--folder", copy.path, name, input: key + "\n")
    #expect(report.output == "the gate is open\n", "\(report.errors)")

    let other = "sotto-report-key-" + String(key.dropFirst(17).reversed())
    let mistakes: [(Programs.Outcome, Int32, String)] = [
      (try reports("read", "--folder", copy.path, name, input: other), 65, "is no key of reports"),
      (try reports("read", "--folder", copy.path, "abc", input: key), 66, "there is no report of this name"),
      (try reports("read", "--folder", copy.path + "x", name, input: key), 66, "\(copy.path)x is not there or cannot be read"),
      (try reports("list", "--folder", copy.path + "x"), 66, "\(copy.path)x is not there or cannot be read"),
      (try reports("list", "--folder", scratch.url.path), 0, "no report lies in this folder itself"),
      (try reports("read", "--folder", copy.path, "--data", copy.path, name, input: key), 64, "stands in place of --data"),
    ]
    for (outcome, status, words) in mistakes {
      #expect(outcome.status == status && outcome.errors.contains(words), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
    try Data([1, 2, 3]).write(to: copy.appending(path: name))
    let damaged = try reports("read", "--folder", copy.path, name, input: key)
    #expect(damaged.status == 65 && damaged.errors.contains("does not open this report"), "\(damaged.errors)")
  }

  @Test(.enabled(if: Tools.has(Tools.curl), "curl is not installed"))
  func `figures and logs at their most verbose name nobody, and are for this machine only`() async throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch, lines: ["log.level = trace", "metrics.listen = 127.0.0.1:0"])
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("send", "Bob", "a text that nobody counts")
    try server.hangUp(expecting: "read again")
    let place = try #require(server.words.split(separator: "\n").first { $0.contains("metrics at http://127.0.0.1:") })
    let port = try #require(place.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) })
    let figures = String(decoding: try await plainGet("/metrics", port: port), as: UTF8.self)
    #expect(figures.contains("sotto_calls_total{call=\"send\",outcome=\"sent\"}"))
    #expect(figures.contains("sotto_commit_seconds_count"))
    #expect(!figures.contains("sotto_envelopes_accepted_total 0"))
    #expect(String(decoding: try await plainGet("/readyz", port: port), as: UTF8.self) == "ready\n")
    #expect(String(decoding: try await plainGet("/healthz", port: port), as: UTF8.self) == "ok\n")
    let status = try server.command("status")
    #expect(status.output.contains("running, version") && status.output.contains("envelopes"))

    var canaries = ["Alice", "Bob", "a text that nobody counts"].map { Canary("what is said", text: $0) }
    for person in [alice, bob] { canaries += try Insider(person).canaries() }
    let said = Array((server.words + figures + status.output).utf8)
    #expect(hits(canaries, in: said) == [])
    #expect(hits([Canary("what is there", text: "sotto_calls_total")], in: said) == ["what is there (raw)"])
    #expect(server.stop()?.status == 0)
    #expect(try server.command("status").status == 69)
  }
}
