import Foundation
import GRDB

/// Gives each record the sealed value of another one.
func swapRecords(_ path: String) throws {
  let queue = try DatabaseQueue(path: path)
  try queue.write { database in
    let rows = try Row.fetchAll(database, sql: "SELECT name, sealed FROM record ORDER BY name")
    for (index, row) in rows.enumerated() {
      let other = rows[(index + 1) % rows.count]
      try database.execute(
        sql: "UPDATE record SET sealed = ? WHERE name = ?", arguments: [other["sealed"] as Data, row["name"] as Data])
    }
  }
  try queue.close()
}
