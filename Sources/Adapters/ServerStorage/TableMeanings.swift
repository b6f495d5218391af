/// What each table of the database tells somebody who has stolen it, without the server's keys.
package enum TableMeanings {
  private static let sentences = [
    "mailboxes": "how many mailboxes there are, each of one of a few sizes; not whose, how full, or which belong together",
    "logs": "how many conversations with a log there are, each one size; not who is in them",
    "capabilities": "how many sets of invitations lie out, and the day each expires; not whose",
    "envelopes": "how many cells of queues there are and how large each is; not to whom a cell belongs, from whom it came, or when",
    "log_entries": "how many sealed changes of membership there are, and their sizes; not of which conversation",
    "group_infos": "how many sealed states by which a lost device comes back, and their sizes; not of which conversation",
    "blobs": "how many sealed key packages lie ready, and their sizes; not who laid them out or who takes them",
    "receipts": "how many sends of the last weeks are remembered, all mailboxes together; not where or when",
    "vouchers": "how many links to register are out, and which were used",
    "spent_tokens": "how many mailboxes, logs and pieces of files up to 256 MiB were made in the last two quarters, together",
    "upkeep":
      "the version of the tables, how often the server was started, how many mailboxes there are, how many links people handed out today, and days of its housekeeping",
  ]
  /// Content of schema 1, which moves to the tables above when it is next named.
  private static let oldPrefix = "old_"

  /// A sentence without a full stop; nil for a table that is none of this program's.
  package static func sentence(for table: String) -> String? {
    guard !table.hasPrefix(oldPrefix) else { return "rows of schema 1 not named since, which tell more (docs/at-rest.md)" }
    return sentences[table]
  }
}
