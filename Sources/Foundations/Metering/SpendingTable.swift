/// What many parties have used of their allowances, in a table of fixed size.
///
/// A party is a number of 64 bits that nobody outside can choose or guess, such as a keyed hash: the table holds nothing
/// else of it. Who has used nothing for as long as a burst takes to come back needs no place. When the places that a party
/// may take are all in use, the one that had used least loses its place: an attacker under many names pushes out those who
/// have used little, and never the record of who has used much.
public struct SpendingTable: Sendable {
  private struct Entry {
    var party: UInt64 = 0
    var spending = Spending()
  }

  /// Places of one party: few enough to look through, enough that chance fills them seldom.
  private static let placesPerParty = 8

  private var entries: [Entry]

  /// - Parameter placeCount: how many parties are remembered at once, 16 bytes each; rounded up to a power of two, at least 8.
  public init(placeCount: Int) {
    var count = Self.placesPerParty
    while count < min(placeCount, 1 << 24) { count *= 2 }
    entries = Array(repeating: Entry(), count: count)
  }

  /// Whether a party has units left.
  public func look(for units: Int = 1, in allowance: Allowance, of party: UInt64, at now: UInt64) -> Verdict {
    spending(of: party, at: place(of: party)).look(for: units, in: allowance, at: now)
  }

  /// Takes units from a party's allowance, if they are there.
  public mutating func take(_ units: Int = 1, from allowance: Allowance, of party: UInt64, at now: UInt64) -> Verdict {
    let place = place(of: party)
    var spending = spending(of: party, at: place)
    let verdict = spending.take(units, from: allowance, at: now)
    if verdict.isAllowed { entries[place] = Entry(party: party, spending: spending) }
    return verdict
  }

  /// Takes units whether or not they are there; at most two bursts are owed at a time. None need no place.
  public mutating func charge(_ units: Int = 1, to allowance: Allowance, of party: UInt64, at now: UInt64) {
    guard units > 0 else { return }
    let place = place(of: party)
    var spending = spending(of: party, at: place)
    spending.charge(units, to: allowance, at: now)
    entries[place] = Entry(party: party, spending: spending)
  }

  /// Gives back units that a party took for nothing; one that has lost its place meanwhile owes nothing.
  public mutating func giveBack(_ units: Int = 1, to allowance: Allowance, of party: UInt64, at now: UInt64) {
    let place = place(of: party)
    guard entries[place].party == party else { return }
    entries[place].spending.giveBack(units, to: allowance, at: now)
  }

  private func spending(of party: UInt64, at place: Int) -> Spending {
    entries[place].party == party ? entries[place].spending : Spending()
  }

  /// Where a party is, or else would be: in the place of who has used least.
  private func place(of party: UInt64) -> Int {
    let first = Int(truncatingIfNeeded: party & UInt64(entries.count / Self.placesPerParty - 1)) * Self.placesPerParty
    var least = first
    for place in first..<first + Self.placesPerParty {
      if entries[place].party == party { return place }
      if entries[place].spending.wholeAgain < entries[least].spending.wholeAgain { least = place }
    }
    return least
  }
}
