// Write the report: one page that opens from disk with no network.
process REPORT {
    label 'small'

    input:
    path plan
    path tables, stageAs: 'tables/*'
    path figures, stageAs: 'figures/*'
    path template
    val run // what Nextflow knows of itself, as JSON
    val code

    output:
    path 'report.html'
    path 'report.json'
    path 'references.bib'
    path 'dataset_description.json'

    script:
    """
    report.py --plan ${plan} --tables tables --figures figures --template ${template} \\
        --run '${run}' --out report.html
    """

    stub:
    """
    touch report.html report.json references.bib dataset_description.json
    """
}
