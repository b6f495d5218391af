import WireFormat

/// The two lists of components in a dictionary: in a leaf what its owner supports, in a group context what every member
/// must support (draft-ietf-mls-extensions, "Negotiating Extensions and Components"). Numbers that nobody knows count like
/// others: what is required and not listed is missing.
struct ComponentLists: Sendable {
  /// The content of ``ComponentID/appComponents``.
  private(set) var known: [ComponentID] = []
  /// The content of ``ComponentID/safeAAD``: the components that frame their authenticated data.
  private(set) var framing: [ComponentID] = []

  /// No components.
  init() {}

  /// - Throws: `.malformed` when a list is not well-formed.
  init(_ dictionary: AppDataDictionary) throws(MLSError) {
    known = try dictionary.list(.appComponents)
    framing = try dictionary.list(.safeAAD)
  }

  /// Whether everything that a group requires is listed here.
  func cover(_ required: ComponentLists) -> Bool {
    known.contains(allOf: required.known)
      && framing.contains(allOf: required.framing)
  }
}

extension AppDataDictionary {
  /// The list of components that this component holds; empty without it.
  fileprivate func list(_ component: ComponentID) throws(MLSError) -> [ComponentID] {
    guard let data = entries[component] else { return [] }
    do { return try ComponentsList(decoding: data).components } catch { throw .malformed(error) }
  }
}

extension [Extension] {
  /// The lists of components in the `app_data_dictionary` extension; empty without one.
  ///
  /// - Throws: `.malformed` when dictionary or lists are not well-formed.
  func componentLists() throws(MLSError) -> ComponentLists { try ComponentLists(appData()) }
}
