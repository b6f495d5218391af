/// Lists of numbers from the registries, compared without a look at every pair: both sides are as long as a peer likes,
/// up to ``Limits/maxCapabilities``. Below, the work grows with the sum of two lengths.
extension Array where Element: CodePoint {
  /// So few are looked through sooner than hashed, and without taking memory: a list of honest length costs no allocation.
  private static var fewCount: Int { 16 }

  /// Whether each of these numbers is in the list.
  func contains(allOf codes: some Collection<Element>) -> Bool {
    guard Swift.min(count, codes.count) > Self.fewCount else { return codes.allSatisfy { contains($0) } }
    let own = Set(self)
    return codes.allSatisfy { own.contains($0) }
  }

  /// Each number of the list once, in any order.
  var distinct: [Element] {
    if count <= Self.fewCount, !indices.contains(where: { self[..<$0].contains(self[$0]) }) { return self }
    return Array(Set(self))
  }
}
