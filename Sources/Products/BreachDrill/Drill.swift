package import Foundation
import ServerStorage

/// Plays a break-in: lets people talk through a live server of its own, takes everything that an intruder could take, and
/// searches it for what they said, who they are and what they use.
package struct Drill: Sendable {
  /// What runs as the server: `sotto-server`, or a program with the same commands that leaks on purpose.
  package var program: URL
  /// Where everything of the drill lies; a new or empty directory.
  package var folder: URL
  package var peopleCount: Int
  /// Told what is being done.
  package var progress: @Sendable (String) -> Void
  /// Called while the server runs, behind the talk and before the break-in, with a link of the server; gives more canaries.
  package var lastStep: @Sendable (_ link: String) async throws -> [Canary]

  package static let peopleRange = 2...50

  package init(
    program: URL, folder: URL, peopleCount: Int, progress: @escaping @Sendable (String) -> Void,
    lastStep: @escaping @Sendable (_ link: String) async throws -> [Canary] = { _ in [] }
  ) {
    self.program = program
    self.folder = folder
    self.peopleCount = peopleCount
    self.progress = progress
    self.lastStep = lastStep
  }

  /// - Throws: `DrillError` when no result came about; what was found is no error.
  package func run() async throws -> DrillReport {
    let server = try DrillServer(program: program, folder: folder)
    let talk = Talk(in: folder)
    defer { server.kill() }
    do {
      progress("starting a server, with a tap inside of TLS")
      try await server.start()
      progress("\(peopleCount) people register, meet in pairs and in a group, and talk")
      let links = try server.run(["invite", "--data", server.data.path, "--count", "\(peopleCount + 1)"])
      guard links.count == peopleCount + 1 else { throw DrillError("the server gave no links") }
      try await talk.gather(Array(links.prefix(peopleCount)))
      try await talk.meetInPairs()
      try await talk.meetInGroup()
      try await talk.sendFiles()
      try await talk.leaveMessagesWaiting()
      let more = try await lastStep(links[peopleCount])
      progress("making a backup while the server runs")
      _ = try server.run(["backup", "--data", server.data.path, server.backup.path])
      progress("breaking in: the server stands still while its files are copied and its memory is read")
      try await stop(server, while: talk)
      try await talk.end()
      return try search(server, for: Self.unique(talk.canaries + more))
    } catch {
      server.kill()
      await talk.close()
      throw error
    }
  }

  /// A write-ahead log is emptied once a minute; what is searched is to hold something.
  private func stop(_ server: DrillServer, while talk: Talk) async throws {
    for _ in 0..<3 {
      try await server.freeze()
      let log = server.data.appending(path: "server.sqlite-wal")
      if let size = try log.resourceValues(forKeys: [.fileSizeKey]).fileSize, size > 0 { return }
      server.thaw()
      try await talk.leaveAnotherMessage()
    }
    throw DrillError("the server keeps no write-ahead log")
  }

  private static func unique(_ canaries: [Canary]) -> [Canary] {
    struct Key: Hashable {
      var kind: String
      var variants: [[UInt8]]
    }
    var seen: Set<Key> = []
    return canaries.filter { seen.insert(Key(kind: $0.kind, variants: $0.variants)).inserted }
  }

  // MARK: - The search

  private func search(_ server: DrillServer, for canaries: [Canary]) throws -> DrillReport {
    let start = ContinuousClock.now
    // What is known to stand where it is looked for: a search that does not find it is blind.
    let controls: [Place: Canary] = [
      .databaseFile: Canary("control", text: "SQLite format 3"), .backup: Canary("control", text: "SQLite format 3"),
      .log: Canary("control", text: "ready https://127.0.0.1:"), .wire: Canary("control", text: "HTTP/1.1 101 "),
      .memory: Canary("control", text: server.control), .coreFile: Canary("control", text: server.control),
    ]
    let search = CanarySearch(canaries + Place.allCases.compactMap { controls[$0] })
    progress("searching for \(canaries.count) canaries in \(search.patternCount) forms")
    try Self.proveForms()

    var report = DrillReport(canaries: canaries, formCount: search.patternCount)
    func note(_ place: Place, _ findings: Findings, _ note: String? = nil) {
      let control = controls[place].map { control in
        findings.hits.keys.contains { $0.canary >= canaries.count && search.canaries[$0.canary].variants == control.variants }
      }
      report.add(place, findings, canaries: canaries, isControlFound: control, note: note)
      progress("    \(place.rawValue): \(findings.byteCount) bytes")
    }

    // The files first: reading memory takes longest, and everything stands still.
    let stolen = folder.appending(path: "stolen")
    try Self.copyFiles(of: server.data, to: stolen)
    var memory = Findings()
    let blindness = ProcessMemory(process: server.processIdentifier).search(search, into: &memory)
    note(.memory, memory, blindness)
    let (core, coreNote) = crash(server, search)
    note(.coreFile, core, coreNote)

    note(.databaseFile, file(stolen.appending(path: "server.sqlite"), search))
    note(.writeAheadLog, file(stolen.appending(path: "server.sqlite-wal"), search))
    func isObject(_ name: String) -> Bool { name.hasPrefix("objects/") }
    note(.objects, files(in: stolen, search, where: isObject))
    note(.otherFiles, files(in: stolen, search) { !isObject($0) && !["server.sqlite", "server.sqlite-wal"].contains($0) })
    note(.log, file(server.log, search))
    note(.backup, files(in: server.backup, search) { _ in true })
    note(.wire, file(server.tap, search))
    let opened = folder.appending(path: "opened")
    let (tables, rows) = try readTables(of: stolen, in: opened, search)
    note(.tables, rows)
    // As it was on disk, and with the write-ahead log moved into it, which closing the copy did.
    var freed = Findings()
    for copy in [stolen, opened] { searchFreedPages(of: copy.appending(path: "server.sqlite"), search, &freed) }
    note(.freedPages, freed)
    report.tables = tables
    report.seconds = Double((ContinuousClock.now - start) / .milliseconds(1)) / 1_000
    return report
  }

  /// Shows, each time anew, that every form is found where it stands.
  private static func proveForms() throws {
    let text = "gr\u{FC}n ~~~~~~ \(RandomText.marker())"
    let canary = Canary("control", text: text)
    let search = CanarySearch([canary])
    for pattern in Form.patterns(of: canary) {
      let found = search.findings(in: [0, 1, 2] + pattern.bytes + [3])
      guard found.hits.keys.contains(where: { $0.form == pattern.form }) else {
        throw DrillError("the search does not find the form \(pattern.form.rawValue) where it stands")
      }
    }
  }

  /// Copies a directory with its files; sockets in it hold nothing.
  private static func copyFiles(of source: URL, to target: URL) throws {
    let manager = FileManager.default
    try manager.createDirectory(at: target, withIntermediateDirectories: true)
    for name in try manager.subpathsOfDirectory(atPath: source.path).sorted() {
      let (from, to) = (source.appending(path: name), target.appending(path: name))
      switch try manager.attributesOfItem(atPath: from.path)[.type] as? FileAttributeType {
      case .typeDirectory?: try manager.createDirectory(at: to, withIntermediateDirectories: true)
      case .typeRegular?: try manager.copyItem(at: from, to: to)
      default: break
      }
    }
  }

  private func file(_ url: URL, _ search: CanarySearch) -> Findings {
    var findings = Findings()
    if let haystack = Haystack.open(url.path, label: url.lastPathComponent) {
      haystack.search(search, into: &findings)
      haystack.close()
    }
    return findings
  }

  private func files(in folder: URL, _ search: CanarySearch, where isWanted: (String) -> Bool) -> Findings {
    var findings = Findings()
    for name in ((try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []).sorted() where isWanted(name) {
      guard let haystack = Haystack.open(folder.appending(path: name).path, label: name) else { continue }
      haystack.search(search, into: &findings)
      haystack.close()
      // A name can tell as much as what is inside.
      search.search(Array(name.utf8), beginningBefore: name.utf8.count, at: "a file's name", 0, into: &findings)
    }
    return findings
  }

  private func searchFreedPages(of url: URL, _ search: CanarySearch, _ findings: inout Findings) {
    guard let bytes = try? Data(contentsOf: url), let pages = SQLitePages([UInt8](bytes)) else { return }
    for range in pages.freeRanges {
      let free = [UInt8](bytes[range])
      search.search(free, beginningBefore: free.count, at: "server.sqlite", UInt64(range.lowerBound), into: &findings)
    }
  }

  private func crash(_ server: DrillServer, _ search: CanarySearch) -> (Findings, String?) {
    let pattern = CoreFiles.pattern
    server.crash()
    var findings = Findings()
    guard CoreFiles.areInWorkingDirectory(pattern) else {
      return (
        findings,
        "this system hands core files to \(pattern), out of the drill's reach; they hold what the memory holds, which was searched"
      )
    }
    guard let core = CoreFiles.find(in: server.coreFolder), let haystack = Haystack.open(core.path, label: "core") else {
      return (findings, "this system wrote no core file (its hard limit is 0); it would hold what the memory holds, which was searched")
    }
    haystack.search(search, into: &findings)
    haystack.close()
    return (findings, nil)
  }

  private func readTables(of stolen: URL, in opened: URL, _ search: CanarySearch) throws -> ([DrillReport.Table], Findings) {
    try Self.copyFiles(of: stolen, to: opened)
    var findings = Findings()
    do {
      let database = try DatabaseInspection(path: opened.appending(path: "server.sqlite").path)
      defer { database.close() }
      var tables: [DrillReport.Table] = []
      for table in try database.tables() {
        var example: [String] = []
        try database.eachRow(of: table) { values in
          if example.isEmpty { example = values.map(DrillReport.excerpt) }
          for (column, value) in zip(table.columns, values) {
            search.search(value, beginningBefore: value.count, at: "\(table.name).\(column)", 0, into: &findings)
          }
          return true
        }
        for name in [table.name] + table.columns {
          search.search(Array(name.utf8), beginningBefore: name.utf8.count, at: "the name of a table or column", 0, into: &findings)
        }
        tables.append(
          DrillReport.Table(
            name: table.name, columns: table.columns, rowCount: table.rowCount, example: example,
            meaning: TableMeanings.sentence(for: table.name)))
      }
      return (tables, findings)
    } catch { throw DrillError("the stolen database cannot be opened") }
  }
}
