import Testing

@testable import SottoServer

@Suite struct SettingsTests {
  private func load(_ lines: [String], flags: [String: String] = [:], environment: [String: String] = [:]) -> LoadedSettings {
    SettingsSources(flags: flags, environment: environment)
      .load(file: SettingsFile(text: (["data = /d", "listen = 127.0.0.1:8443"] + lines).joined(separator: "\n"), path: "f"))
  }

  @Test func `every default stands within its own bounds, and every name becomes a variable of its own`() {
    for setting in Setting.all where !setting.fallback.isEmpty {
      #expect(load(["\(setting.name) = \(setting.fallback)"]).faults == [], "\(setting.name)")
    }
    #expect(Set(Setting.all.map(\.variable)).count == Setting.all.count)
    #expect(Setting.named("limits.idle-time")?.variable == "SOTTO_SERVER_LIMITS_IDLE_TIME")
  }

  @Test func `a variable of the environment sets what its name says`() {
    for setting in Setting.all where !setting.fallback.isEmpty {
      let loaded = load([], environment: [setting.variable: setting.fallback])
      #expect(loaded.values.first { $0.setting.name == setting.name }?.origin == .environment(variable: setting.variable))
    }
  }

  @Test func `sizes and times are read as people write them, and nothing else is`() {
    #expect([("65536", 65_536), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)].allSatisfy { Quantity.bytes($0.0) == $0.1 })
    for text in ["", "MiB", "-1", "1.5MiB", "1mb", "99999999999999999999", "9999999999999GiB", "1MiB x"] {
      #expect(Quantity.bytes(text) == nil, "\(text)")
    }
    let times: [(String, Duration)] = [
      ("500ms", .milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("2 h", .seconds(7_200)),
    ]
    #expect(times.allSatisfy { Quantity.duration($0.0) == $0.1 })
    for text in ["", "10", "s", "-1s", "1.5s", "10 sec", "9999999999999999d"] { #expect(Quantity.duration(text) == nil, "\(text)") }
    #expect(Quantity.text(duration: .seconds(75)) == "75s" && Quantity.text(duration: .seconds(120)) == "2m")
  }

  @Test func `a name that nobody knows may have been meant for the room that there is, and faults of other settings do not concern it`() {
    let environment = [
      "SOTTO_SERVER_STORAGE_DATABSE": "1GiB", "SOTTO_SERVER_STORAGE_FREE": "much", "SOTTO_SERVER_LIMITS_IDLE_TIME": "long",
    ]
    let faults = SettingsSources(environment: environment).load().faults(concerning: "storage")
    #expect(faults.count == 2 && faults.contains { $0.contains("SOTTO_SERVER_STORAGE_DATABSE is no setting") }, "\(faults)")
    #expect(faults.contains { $0.hasPrefix("storage.free (") }, "\(faults)")
  }

  @Test func `behind a proxy the server stays on this machine and links name what the certificate is for`() {
    let proxy = ["tls.mode = proxy"]
    #expect(load(proxy + ["advertise = chat.example.org:443"]).faults == [])
    for (lines, fault) in [
      (["advertise = 192.0.2.1:443"], "advertise: is an address in numbers"), ([], "advertise: is not set"),
      (["advertise = chat.example.org:0"], "advertise: has port 0"),
      (["advertise = chat.example.org:443", "tls.certificate = /c", "tls.key = /k"], "the proxy has the certificate"),
    ] { #expect(load(proxy + lines).faults.contains { $0.contains(fault) }, "\(fault)") }
    let open = load(proxy + ["advertise = chat.example.org:443"], flags: ["listen": "0.0.0.0:80"])
    #expect(open.faults.contains { $0.contains("listen: is not a loopback address") })
  }

  @Test func `a reload keeps what takes a restart as it was, and says which`() {
    let inForce = load(["files.quota = 1GiB", "log.level = info", "security.contact = mailto:a@b.c"])
    let read = load(["files.quota = 2GiB", "log.level = debug", "metrics.listen = 127.0.0.1:1"])
    let kept = read.keepingFixed(of: inForce)
    #expect(kept.settings.fileQuotaByteCount == 1 << 30 && kept.settings.metricsListen == nil)
    #expect(kept.settings.logLevel == .debug && kept.settings.contacts == [])
    #expect(read.fixedChanges(from: inForce) == ["metrics.listen", "files.quota"])
    #expect(kept.fixedChanges(from: inForce) == [])
    #expect(kept.text(of: "files.quota") == "1GiB")
  }

  @Test func `only loopback addresses count as such`() {
    for text in ["127.0.0.1:1", "127.255.0.9:1", "localhost:1", "[::1]:1"] { #expect(Endpoint(text)?.isLoopback == true, "\(text)") }
    for text in ["0.0.0.0:1", "128.0.0.1:1", "127.0.0.1.example.org:1", "127.1:1", "[::]:1", "127.0.0.256:1", "[::ffff:127.0.0.1]:1"] {
      #expect(Endpoint(text)?.isLoopback == false, "\(text)")
    }
  }

  @Test func `what is needed is rounded up, and what is there down, so that too little never looks like enough`() {
    let sizes: [Int] = [0, 1, 1_023, 1 << 20, (1 << 20) + 1, 300 << 20, (10 << 30) - 1, 10 << 30, (10 << 30) + 1]
    #expect(
      sizes.map { Quantity.rough(bytes: $0) } == ["0 KiB", "0 KiB", "0 KiB", "1 MiB", "1 MiB", "300 MiB", "10239 MiB", "10 GiB", "10 GiB"])
    #expect(
      sizes.map { Quantity.rough(bytes: $0, roundingUp: true) }
        == ["0 KiB", "1 KiB", "1 KiB", "1 MiB", "2 MiB", "300 MiB", "10240 MiB", "10 GiB", "11 GiB"])
  }

  @Test func `a name that is near to a known one is told, a far one is not`() {
    let names = Setting.all.map(\.name)
    #expect(Setting.nearest(to: "tls.certificat", among: names) == "tls.certificate")
    #expect(Setting.nearest(to: "limit.connections", among: names) == "limits.connections")
    #expect(Setting.nearest(to: "favourite-colour", among: names) == nil)
    #expect(Setting.nearest(to: String(repeating: "x", count: 1_000), among: names) == nil)
  }

  @Test func `security.txt says who, until when and where, and names the server itself where that takes reports`() throws {
    var settings = ServerSettings()
    let site = Endpoint(host: "chat.example.org", port: 443)
    #expect(SecurityText.make(settings, site: site, takesReports: false, now: 0) == nil)
    let own = try #require(SecurityText.make(settings, site: Endpoint(host: "::1", port: 1), takesReports: true, now: 0))
    #expect(own.hasPrefix("Contact: https://[::1]:1/v1/report\nExpires: 1970-01-31T00:00:00Z\n"))
    #expect(SecurityText.page(site).contains("https://chat.example.org/v1/report "))
    settings.contacts = ["mailto:a@example.org"]
    settings.languages = ["de", "en"]
    #expect(
      SecurityText.make(settings, site: site, takesReports: true, now: 1_800_000_000) == """
        Contact: mailto:a@example.org
        Contact: https://chat.example.org/v1/report
        Expires: 2027-02-14T00:00:00Z
        Canonical: https://chat.example.org/.well-known/security.txt
        Preferred-Languages: de, en

        """)
  }

  @Test func `a stranger's report cannot steer the terminal`() {
    #expect(TerminalText.harmless("a\u{1B}[2Jb\r\u{7}\u{202E}c\td\n") == "a?[2Jb???c\td\n")
  }
}
