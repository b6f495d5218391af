import BreachDrill
import Foundation
import Testing

extension EndToEndTests {
  private func drill(_ program: String, _ arguments: [String] = []) throws -> (outcome: Programs.Outcome, report: DrillReport?) {
    let scratch = try Scratch()
    let outcome = try Programs.run(
      program, ["breach-drill", "--json"] + arguments, environment: ["TMPDIR": scratch.url.path], in: scratch.url)
    return (outcome, try? JSONDecoder().decode(DrillReport.self, from: Data(outcome.output.utf8)))
  }

  @Test func `an intruder who takes everything finds nothing`() throws {
    let (outcome, report) = try drill("sotto-server", ["--people", "3"])
    let found = try #require(report, "\(outcome.errors)")
    #expect(found.leakCount == 0, "\(found.lines.joined(separator: "\n"))")
    #expect(outcome.status == 0, "\(found.lines.joined(separator: "\n"))")
    #expect(Set(found.places.map(\.place)) == Set(Place.allCases))
    for place in found.places where place.note == nil { #expect(place.byteCount > 0, "in \(place.place.rawValue)") }
    // What clients show a server does go through it: so the search in the same bytes is not blind.
    let wire = try #require(found.places.first { $0.place == .wire })
    for kind in ["mailbox id", "delivery key", "log handle", "capability"] {
      #expect(wire.inFlight.contains { $0.kind == kind }, "\(kind)")
    }
    // Two files of some 200 and 400 KB.
    #expect(found.places.contains { $0.place == .objects && $0.byteCount > 500_000 })
    #expect(found.tables.contains { $0.name == "mailboxes" && $0.rowCount == 3 })
  }

  @Test func `a server that leaks on purpose is found out in every place and every form, and nowhere else`() throws {
    let (outcome, report) = try drill("LeakyServer")
    let found = try #require(report, "\(outcome.errors)")
    #expect(outcome.status == 1)
    let hasCore = found.places.contains { $0.place == .coreFile && $0.note == nil }
    let forms = Form.allCases.map(\.rawValue) + ["raw in gzip", "raw in zlib"]
    // Where each leak must be found: what it is made in, and what holds a copy of that.
    let leaks: [(place: Place, alsoIn: Set<Place>)] = [
      (.tables, [.databaseFile, .backup]), (.freedPages, [.databaseFile]), (.writeAheadLog, []), (.objects, [.backup]), (.otherFiles, []),
      (.log, []),
      (.backup, []), (.wire, []), (.memory, hasCore ? [.coreFile] : []),
    ]
    for (place, others) in leaks {
      for form in forms {
        let kind = "\(place.rawValue): \(form)"
        let places = Set(found.places.filter { $0.hits.contains { $0.kind == kind && $0.form == form } }.map(\.place))
        #expect(places.isSuperset(of: others.union([place])), "\(kind)")
        // A process held in memory whatever it wrote down.
        let anywhere = Set(found.places.filter { $0.hits.contains { $0.kind == kind } }.map(\.place))
        #expect(anywhere.subtracting([.memory, .coreFile]) == others.union([place]).subtracting([.memory, .coreFile]), "\(kind)")
      }
    }
    #expect(Set(found.tables.filter { $0.meaning == nil }.map(\.name)) == ["leaks", "overwritten"])
    // Beside what was leaked on purpose, it leaks nothing.
    let kinds = Set(found.places.flatMap(\.hits).map(\.kind))
    #expect(kinds.allSatisfy { kind in leaks.contains { kind.hasPrefix("\($0.place.rawValue): ") } }, "\(kinds.sorted())")
  }
}
