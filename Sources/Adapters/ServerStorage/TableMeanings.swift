/// What each table of the database tells somebody who has stolen it, without the server's keys.
package enum TableMeanings {
  private static let sentences = [
    "mailboxes": "how many mailboxes there are, and of each how much waits and how much it ever received; not whose it is",
    "delivery_keys": "how many keys each mailbox gave out, padded to a multiple of 16; not to whom",
    "envelopes":
      "how many sealed messages wait in each mailbox, their size classes and the day they expire; not from whom, nor when they came",
    "receipts": "how many messages were sent in the last weeks, all mailboxes together; not where",
    "tokens": "how many links to register are out",
    "blobs": "how many sealed key packages lie ready, in which bundles; not who laid them out or who takes them",
    "logs": "how many conversations there are, how many administrators and changes of membership each had; not who is in them",
    "group_infos": "sealed states by which a lost device comes back, with their sizes",
    "log_entries": "sealed changes of membership, with their sizes and the day they expire",
    "upkeep": "the version of the tables, and the day on which quotas begin anew",
  ]

  /// A sentence without a full stop; nil for a table that is none of this program's.
  package static func sentence(for table: String) -> String? { sentences[table] }
}
