// Draw every figure that the tables allow.
process FIGURES {
    label 'small'

    input:
    path tables, stageAs: 'tables/*'
    val code

    output:
    path 'figures/*', emit: figures

    script:
    """
    figures.py --tables tables --out figures --processes ${task.cpus}
    """

    stub:
    """
    mkdir figures
    touch figures/none.svg
    """
}
