import ArgumentParser
import ServerStorage

/// `sotto-server new-database`
struct NewDatabaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new-database",
    abstract: "Make an empty database for a server whose database is lost; its keys stay.",
    discussion: """
      Only where server.keys is there and server.sqlite is not. All mailboxes are gone then, with what waited in them: \
      everybody needs a new link, on the same server. Look for a backup first.
      """)

  @OptionGroup var data: DataOptions

  @Flag(help: "One object, for a script.")
  var json = false

  func run() async throws {
    ProcessSettings.apply()
    try await withWords(in: data.directory) {
      do { try ServerDirectory(data.directory).makeNewDatabase() } catch ServerStorageError.exists { throw ServerFailure.databaseIsThere }
    }
    Output.print(path: data.directory, asJSON: json)
  }
}
